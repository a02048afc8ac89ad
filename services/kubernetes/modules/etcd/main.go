// Command etcd is the server of etcd's own module, whose main package `go install` refuses for its replaced parts.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
