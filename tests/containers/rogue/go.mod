module example.com/rogue

go 1.22
