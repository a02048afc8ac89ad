// A component of ImageFlow in Go: one request a line on standard input, one answer a line on standard output.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
)

type request struct {
	ID         int                    `json:"id"`
	Parameters struct{ Gain int }     `json:"parameters"`
	Inputs     struct{ Image string } `json:"inputs"`
	Outputs    struct{ Heat string }  `json:"outputs"`
}

type measurement struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

type answer struct {
	ID      int                      `json:"id"`
	Outputs map[string][]measurement `json:"outputs,omitempty"`
	Error   string                   `json:"error,omitempty"`
}

func main() {
	answers := json.NewEncoder(os.Stdout) // ends each answer with a new line
	answers.Encode(map[string]int{"protocol": 1})
	requests := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var asked request
		if err := requests.Decode(&asked); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		given := answer{ID: asked.ID}
		if focus, err := measure(asked); err != nil {
			given.Error = err.Error()
		} else {
			given.Outputs = map[string][]measurement{"measurements": {{Name: "focus", Value: focus}}}
		}
		answers.Encode(given)
	}
}

func measure(asked request) (float64, error) {
	source, err := os.Open(asked.Inputs.Image)
	if err != nil {
		panic(err)
	}
	defer source.Close()
	picture, err := png.Decode(source)
	if err != nil {
		panic(err)
	}
	width, height := picture.Bounds().Dx(), picture.Bounds().Dy()
	if width < 3 || height < 3 {
		return 0, errors.New("the image has less than 3 x 3 px")
	}
	heat, total := image.NewGray(picture.Bounds()), 0
	for y := 1; y < height-1; y++ {
		for x := 1; x < width-1; x++ {
			around := grey(picture, x-1, y) + grey(picture, x+1, y) + grey(picture, x, y-1) + grey(picture, x, y+1)
			steep := 4*grey(picture, x, y) - around
			steep = max(steep, -steep)
			total += steep
			heat.SetGray(x, y, color.Gray{Y: uint8(min(255, asked.Parameters.Gain*steep))})
		}
	}
	file, err := os.Create(asked.Outputs.Heat)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	return float64(total) / float64((width-2)*(height-2)), png.Encode(file, heat)
}

func grey(picture image.Image, x, y int) int {
	red, green, blue, _ := picture.At(x, y).RGBA()
	return (299*int(red>>8) + 587*int(green>>8) + 114*int(blue>>8)) / 1000
}
