// A component that misbehaves as its parameter `how` says; the file of the image tells it to do so for one image only.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net"
	"os"
	"strings"
	"syscall"
	"time"
)

type request struct {
	ID         int                    `json:"id"`
	Parameters struct{ How string }   `json:"parameters"`
	Inputs     struct{ Image string } `json:"inputs"`
	Outputs    struct{ Drawn string } `json:"outputs"`
}

var out = bufio.NewWriter(os.Stdout)

func say(line string) {
	out.WriteString(line + "\n")
	out.Flush()
}

func main() {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "mute":
			time.Sleep(time.Hour)
		case "foreign":
			say("Welcome to my component!")
		case "dead":
			fmt.Fprintln(os.Stderr, "cannot find weights.bin")
			os.Exit(3)
		}
	}
	say(`{"protocol": 1}`)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var asked request
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			panic(err)
		}
		serve(asked)
	}
}

func serve(asked request) {
	data, err := os.ReadFile(asked.Inputs.Image)
	if err != nil {
		panic(err)
	}
	how := asked.Parameters.How
	if picture, err := png.Decode(bytes.NewReader(data)); err != nil || picture.Bounds().Dx() != 13 {
		how = "" // only images of 13 px are treated badly
	}
	values := ""
	switch how {
	case "flood":
		for {
			fmt.Println(strings.Repeat("x", 1000))
		}
	case "long line":
		for {
			fmt.Print(strings.Repeat("x", 100000))
		}
	case "no json":
		say("done!")
		return
	case "no object":
		say("[1]")
		return
	case "another id":
		say(`{"id": -1}`)
		return
	case "two answers":
		say(fmt.Sprintf("{\"id\": %d}\n{\"id\": %d}", asked.ID, asked.ID))
		return
	case "refuse":
		say(fmt.Sprintf(`{"id": %d, "error": "no frame is visible"}`, asked.ID))
		return
	case "crash":
		for line := range 50 {
			fmt.Fprintln(os.Stderr, "trace line", line)
		}
		os.Exit(7)
	case "hang":
		fmt.Fprintln(os.Stderr, "waiting for a licence")
		time.Sleep(time.Hour)
	case "memory":
		var kept [][]byte
		for {
			kept = append(kept, bytes.Repeat([]byte{1}, 1<<24))
		}
	case "fill the disk":
		for place := 0; ; place++ {
			os.WriteFile(fmt.Sprintf("/exchange/out/%d", place), make([]byte, 1000), 0o600)
		}
	case "big file":
		file, _ := os.Create(asked.Outputs.Drawn)
		if _, err := file.WriteAt([]byte{1}, 300<<20); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(9)
		}
	case "processes":
		fmt.Fprintln(os.Stderr, spawned())
		os.Exit(5)
	case "curious":
		fmt.Fprintln(os.Stderr, curious())
		os.Exit(6)
	case "link":
		os.Symlink("/etc/passwd", asked.Outputs.Drawn)
	case "pipe":
		syscall.Mkfifo(asked.Outputs.Drawn, 0o600)
	case "folder":
		os.Mkdir(asked.Outputs.Drawn, 0)
	case "nothing":
	case "text":
		os.WriteFile(asked.Outputs.Drawn, []byte("hello"), 0o600)
	case "small":
		fmt.Fprintln(os.Stderr, "scaled to 2 px")
		values = `"count": []`
		draw(asked.Outputs.Drawn, 2)
	case "wrong value":
		values = `"count": [{"name": "count", "value": "many"}]`
		draw(asked.Outputs.Drawn, 13)
	case "not finite":
		values = `"count": [{"name": "count", "value": NaN}]`
		draw(asked.Outputs.Drawn, 13)
	case "unknown output":
		values = `"surprise": 1`
		draw(asked.Outputs.Drawn, 13)
	default:
		values = `"count": [{"name": "count", "value": 1, "unit": ""}]`
		os.WriteFile(asked.Outputs.Drawn, data, 0o600)
	}
	say(fmt.Sprintf(`{"id": %d, "outputs": {%s}}`, asked.ID, values))
}

func draw(path string, side int) {
	file, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	png.Encode(file, image.NewGray(image.Rect(0, 0, side, side)))
	file.Close()
}

// spawned starts processes until that is refused, and returns how many were started.
func spawned() string {
	for count := range 4000 {
		attributes := &os.ProcAttr{Files: []*os.File{nil, nil, nil}}
		if _, err := os.StartProcess("/rogue", []string{"/rogue", "mute"}, attributes); err != nil {
			return fmt.Sprintf("%d processes", count)
		}
	}
	return "no limit"
}

// curious returns what it can do beyond its work.
func curious() string {
	var can []string
	if os.WriteFile("/rogue2", nil, 0o600) == nil || os.WriteFile("/exchange/in/x", nil, 0o600) == nil {
		can = append(can, "writes")
	}
	if links, _ := net.Interfaces(); len(links) > 1 {
		can = append(can, "network")
	}
	if connection, err := net.DialTimeout("tcp", "10.0.0.1:80", time.Second); err == nil || strings.Contains(err.Error(), "timeout") {
		_ = connection
		can = append(can, "dials")
	}
	if syscall.Sethostname([]byte("x")) == nil || syscall.Mount("none", "/tmp", "tmpfs", 0, "") == nil {
		can = append(can, "capabilities")
	}
	if os.Getuid() == 0 {
		can = append(can, "root")
	}
	return fmt.Sprintf("can: %v; environment: %d", can, len(os.Environ()))
}
