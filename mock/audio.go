package mock

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
)

// speechRequest is a request of OpenAI's speech synthesis.
type speechRequest struct {
	head
	Input          string `json:"input"`
	ResponseFormat string `json:"response_format"`
	StreamFormat   string `json:"stream_format"`
}

func readSpeech(x *exchange) (head, func() error, error) {
	var req speechRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	s := &speech{format: req.ResponseFormat, sse: req.StreamFormat == "sse", input: tokens(len(req.Input))}
	if _, ok := s.audioType(); !ok {
		return head{}, nil, &apiError{
			status:  http.StatusBadRequest,
			message: "response_format is not one of mp3, opus, aac, flac, wav, pcm.",
			param:   "response_format",
		}
	}
	// Audio comes as a stream whether the request asks for one or not.
	req.Stream = s.sse
	return req.head, func() error {
		a := &answer{text: pieces(answerWords(), x.opts.Tokens)}
		s.output = a.output()
		return x.stream(s, a.deltas(1))
	}, nil
}

// speech writes audio, one frame of silence for each word of an answer.
type speech struct {
	format        string
	sse           bool
	input, output int
}

func (s *speech) audioType() (mediaType string, ok bool) {
	switch s.format {
	case "", "mp3":
		return "audio/mpeg", true
	case "opus":
		return "audio/opus", true
	case "aac", "flac", "wav", "pcm":
		return "audio/" + s.format, true
	}
	return "", false
}

func (s *speech) mediaType() (string, framing) {
	if s.sse {
		return eventStream, events
	}
	mediaType, _ := s.audioType()
	return mediaType, unframed
}

// frameSize is that of an MPEG-1 layer III frame of 128 kbit/s at 44.1 kHz.
const frameSize = 417

// frame is valid MP3; of the other formats only the size is right.
func (s *speech) frame() []byte {
	frame := make([]byte, frameSize)
	if s.format == "" || s.format == "mp3" {
		copy(frame, []byte{0xff, 0xfb, 0x90, 0x64})
	}
	return frame
}

func (s *speech) open(w *wire) {
	if s.format != "wav" || s.sse {
		return
	}
	// Mono, 24 kHz, 16 bits; the sizes are unknown, as in any streamed WAV.
	const unknown, rate = 0xffffffff, 24000
	w.raw("RIFF")
	w.buf = binary.LittleEndian.AppendUint32(w.buf, unknown)
	w.raw("WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00")
	w.buf = binary.LittleEndian.AppendUint32(w.buf, rate)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, 2*rate)
	w.raw("\x02\x00\x10\x00data")
	w.buf = binary.LittleEndian.AppendUint32(w.buf, unknown)
}

func (s *speech) delta(w *wire, _ delta) {
	if !s.sse {
		w.buf = append(w.buf, s.frame()...)
		return
	}
	audio := base64.StdEncoding.EncodeToString(s.frame())
	w.event("").raw(`{"type":"speech.audio.delta","audio":"`).raw(audio).raw(`"}`).end()
}

func (s *speech) close(w *wire) {
	if !s.sse {
		return
	}
	w.event("").raw(`{"type":"speech.audio.done","usage":{"input_tokens":`).num(s.input)
	w.raw(`,"output_tokens":`).num(s.output).raw(`,"total_tokens":`).num(s.input + s.output).raw(`}}`).end()
}

func (s *speech) fail(w *wire, e *apiError) {
	w.event("").raw(string(e.body(openAI, ""))).end()
}

func readTranscription(x *exchange) (head, func() error, error) {
	return readListening(x, true)
}

func readTranslation(x *exchange) (head, func() error, error) {
	return readListening(x, false)
}

// readListening reads a form with an audio file. Only transcriptions can be
// streamed, and only they report usage.
func readListening(x *exchange, transcribe bool) (head, func() error, error) {
	h, form, err := x.decodeForm()
	if err != nil {
		return head{}, nil, err
	}
	if len(form.File["file"]) == 0 {
		return head{}, nil, &apiError{status: http.StatusBadRequest, message: "Missing required parameter: 'file'.", param: "file"}
	}
	h.Stream = h.Stream && transcribe
	t := &transcript{size: int(form.File["file"][0].Size), usage: transcribe}
	return h, func() error {
		// These APIs have no place for reasoning.
		x.opts.Reasoning = noWords
		t.answer = x.compose(&ask{prompt: formValue(form, "prompt"), size: t.size})
		if h.Stream {
			return x.stream(t, t.answer.deltas(1))
		}
		return t.send(x, formValue(form, "response_format"))
	}, nil
}

// transcript writes what was heard.
type transcript struct {
	*answer
	size  int
	usage bool
}

// send writes the answer that is not a stream.
func (t *transcript) send(x *exchange, format string) error {
	full := t.fullText()
	var w wire
	switch format {
	case "", "json":
		w.raw(`{"text":`).str(full)
		if t.usage {
			t.count(&w)
		}
		return x.sendJSON(w.raw(`}`).buf)
	case "verbose_json":
		task := "translate"
		if t.usage {
			task = "transcribe"
		}
		w.raw(`{"task":"`).raw(task).raw(`","language":"english","duration":1,"text":`).str(full)
		w.raw(`,"segments":[{"id":0,"seek":0,"start":0,"end":1,"text":`).str(full)
		w.raw(`,"tokens":[],"temperature":0,"avg_logprob":0,"compression_ratio":1,"no_speech_prob":0}]`)
		return x.sendJSON(w.raw(`,"usage":{"type":"duration","seconds":1}}`).buf)
	case "text":
		return x.failBody("text/plain; charset=utf-8", []byte(full+"\n"))
	case "srt":
		return x.failBody("text/plain; charset=utf-8", []byte("1\n00:00:00,000 --> 00:00:01,000\n"+full+"\n"))
	case "vtt":
		return x.failBody("text/plain; charset=utf-8", []byte("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n"+full+"\n"))
	}
	return &apiError{
		status:  http.StatusBadRequest,
		message: "response_format is not one of json, text, srt, verbose_json, vtt.",
		param:   "response_format",
	}
}

func (t *transcript) count(w *wire) {
	w.raw(`,"usage":{"type":"tokens","input_tokens":`).num(t.input)
	w.raw(`,"input_token_details":{"text_tokens":0,"audio_tokens":`).num(t.input).raw(`},"output_tokens":`).num(t.output())
	w.raw(`,"total_tokens":`).num(t.input + t.output()).raw(`}`)
}

func (t *transcript) mediaType() (string, framing) { return eventStream, events }

// open does nothing: this API's streams begin with content.
func (t *transcript) open(*wire) {}

func (t *transcript) delta(w *wire, d delta) {
	w.event("").raw(`{"type":"transcript.text.delta","delta":`).str(d.s).raw(`}`).end()
}

func (t *transcript) close(w *wire) {
	w.event("").raw(`{"type":"transcript.text.done","text":`).str(strings.TrimSpace(t.fullText()))
	t.count(w)
	w.raw(`}`).end()
}

func (t *transcript) fail(w *wire, e *apiError) {
	w.event("").raw(string(e.body(openAI, ""))).end()
}

// Interface guards
var (
	_ dialect = (*speech)(nil)
	_ dialect = (*transcript)(nil)
)
