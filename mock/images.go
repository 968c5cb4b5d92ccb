package mock

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"strings"
	"time"
)

// imageRequest is a request of OpenAI's image generations and edits. Edits may
// be a form, whose fields have the same names.
type imageRequest struct {
	head
	Prompt         string `json:"prompt"`
	N              int    `json:"n"`
	ResponseFormat string `json:"response_format"`
}

// maxImages is OpenAI's own limit.
const maxImages = 10

func readImages(x *exchange) (head, func() error, error) {
	var req imageRequest
	if strings.HasPrefix(x.r.Header.Get("Content-Type"), "multipart/") {
		h, form, err := x.decodeForm()
		if err != nil {
			return head{}, nil, err
		}
		req.head = h
		req.Prompt, req.ResponseFormat = formValue(form, "prompt"), formValue(form, "response_format")
		// What is not a number counts as one image.
		req.N, _ = strconv.Atoi(formValue(form, "n"))
	} else if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	if req.Model == "" && x.endpoint.modelOptional {
		req.Model = "gpt-image-1"
	}
	// The mock has no partial images to stream.
	req.Stream = false
	return req.head, func() error { return x.sendImages(&req) }, nil
}

func (x *exchange) sendImages(req *imageRequest) error {
	picture, err := draw(req.Prompt)
	if err != nil {
		return err
	}
	count := min(max(1, req.N), maxImages)
	var w wire
	w.raw(`{"created":`).raw(strconv.FormatInt(time.Now().Unix(), 10)).raw(`,"background":"opaque","data":[`)
	for i := range count {
		w.comma(i)
		// A data URL works without a network, where a provider's link would not.
		if req.ResponseFormat == "url" {
			w.raw(`{"url":"data:image/png;base64,`).raw(picture).raw(`"}`)
		} else {
			w.raw(`{"b64_json":"`).raw(picture).raw(`"}`)
		}
	}
	input := tokens(len(req.Prompt))
	w.raw(`],"output_format":"png","quality":"low","size":"1024x1024","usage":{"input_tokens":`).num(input)
	w.raw(`,"input_tokens_details":{"text_tokens":`).num(input).raw(`,"image_tokens":0},"output_tokens":`).num(count)
	w.raw(`,"total_tokens":`).num(input + count).raw(`}}`)
	return x.sendJSON(w.buf)
}

// draw makes a picture of one point, in the colour that belongs to the prompt.
func draw(prompt string) (string, error) {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(prompt))
	sum := hash.Sum32()
	picture := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	picture.SetNRGBA(0, 0, color.NRGBA{R: byte(sum), G: byte(sum >> 8), B: byte(sum >> 16), A: 255}) //nolint:gosec // the low byte is what is wanted
	var buf bytes.Buffer
	if err := png.Encode(&buf, picture); err != nil {
		return "", fmt.Errorf("encoding the image: %w", err)
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), nil
}
