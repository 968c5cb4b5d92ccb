package plexus

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// form is a multipart body as clients make it.
func form(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "file" {
			part, err := w.CreateFormFile("file", "model.wav")
			require.NoError(t, err)
			_, err = io.WriteString(part, fields[i+1])
			require.NoError(t, err)
			continue
		}
		require.NoError(t, w.WriteField(fields[i], fields[i+1]))
	}
	require.NoError(t, w.Close())
	return buf.String(), w.FormDataContentType()
}

func TestForms(t *testing.T) {
	p := newProvider(t, says(200, `{"text":"hello"}`))
	_, url := inOrder(t, "", p.URL)
	sound := "RIFF\r\n\r\nname=\"model\"\xff\x00"
	body, contentType := form(t, "file", sound, "model", "fast", "language", "en")
	got := post(t, url+"/v1/audio/transcriptions", body, "Content-Type", contentType)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, strings.Replace(body, "\r\n\r\nfast\r\n", "\r\n\r\nm1\r\n", 1), p.last(t).body)
	require.Equal(t, contentType, p.last(t).header.Get("Content-Type"))

	body = strings.Replace(body, "name=\"model\"\r\n", "name=\"model\"\r\nContent-Length:  4 \r\n", 1)
	require.Equal(t, 200, post(t, url+"/v1/audio/transcriptions", body, "Content-Type", contentType).status)
	require.Contains(t, p.last(t).body, "name=\"model\"\r\nContent-Length:  2 \r\n\r\nm1\r\n", "OkHttp announces the length")

	body, contentType = form(t, "model", "fast", "prompt", "a cat", "file", sound)
	require.Equal(t, 200, post(t, url+"/v1/images/edits", body, "Content-Type", contentType).status)
}

func TestBadForms(t *testing.T) {
	p := newProvider(t, says(200, `{"text":"hello"}`))
	_, url := inOrder(t, "", p.URL)
	f := func(body, contentType, want string) {
		t.Helper()
		got := post(t, url+"/v1/audio/transcriptions", body, "Content-Type", contentType)
		require.Equal(t, 400, got.status)
		require.Contains(t, got.body, want)
	}
	body, contentType := form(t, "file", "x")
	f(body, contentType, `the form has no field \"model\"`)
	body, contentType = form(t, "model", "fast", "model", "fast")
	f(body, contentType, `the field \"model\" stands twice`)
	body, contentType = form(t, "model", "")
	f(body, contentType, `the field \"model\" is empty`)
	const simple = "multipart/form-data; boundary=b"
	f("", simple, "does not begin with its boundary")
	f("--b", simple, "not a line of its own")
	f("--b\r\nContent-Disposition: form-data; name=model\r\n\r\nfast", simple, "does not end with its boundary")
	f("--b\r\nContent-Disposition: form-data; name=model\r\n\r\nfast\r\n--bx\r\n", simple, "not a line of its own")
	f("--b--", "multipart/form-data", "has no boundary")
	f("--b--", `multipart/form-data; boundary=""`, "has no boundary")
	f("--b--", `multipart/form-data; boundary="b\\;"`, "that RFC 2046 does not allow")
	f("--b--", "multipart/form-data; boundary="+strings.Repeat("b", 71), "that RFC 2046 does not allow")
	f("--b--", "multipart/form-data; boundary=b; boundary=c", "invalid JSON")
	f("--b--", "multipart/form-data; boundary", "the Content-Type cannot be read")
	require.Zero(t, p.count())
}

// A form that can be read in two ways could name one model to us and another
// one to the provider.
func TestFormsHideNoModel(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		body = strings.ReplaceAll(body, "\n", "\r\n")
		req := request{body: []byte(strings.ReplaceAll(body, "LF", "\n")), boundary: "b"}
		err := req.inspectForm()
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, "fast", req.model)
			return
		}
		require.ErrorIs(t, err, ErrInvalidRequest)
		require.ErrorContains(t, err, want)
	}
	part := func(header, value string) string { return "--b\n" + header + "\n\n" + value + "\n" }
	const name = "Content-Disposition: form-data; name="
	model, end := part(name+`"model"`, "fast"), "--b--\n"
	with := func(header string) string { return model + part(header, "other") + end }
	f(model+end, "")
	f(model+"--b--", "")
	f(model+"--b--\n\n", "") // of Ruby's multipart-post
	f(part(name+`model`, "fast")+end, "")
	f(part(name+"model\nContent-Type: text/plain; charset=utf-8\nContent-Length: 4", "fast")+end, "")
	f(with(name+`"file"; filename="C:\model.wav"; filename*=utf-8''model.wav`+"\nContent-Type: audio/wav\nContent-Transfer-Encoding: binary\nContent-Length: 5"), "")
	f(with(name+`"timestamp_granularities[]"`), "")
	f(with(name+`"timestamp_granularities%5B%5D"`), "")                                             // of aiohttp
	f(with("content-disposition: form-data;name=file; filename=a.wav; filename*=utf-8''a.wav"), "") // of .NET
	f(part("Content-Type: text/plain; charset=ISO-8859-1\n"+name+"model", "fast")+end, "")

	f("preamble\n"+model+end, "does not begin with its boundary")
	f("\n"+model+end, "does not begin with its boundary")
	f(model+end+model+end, "more after the end")
	f(model+"--b-- \n", "more after the end")
	f(model+"--b--\r", "more after the end")
	f(model+"--b--LF", "more after the end")
	f("--b "+model[3:]+end, "not a line of its own that ends in CRLF")
	f("--bLF"+model[4:]+end, "not a line of its own that ends in CRLF")
	f(part(name+"file", "LF--bLF"+name+"modelLFLFotherLF")+model+end, "field 1 of the form holds the text of its boundary")
	f(part(name+"file", "x--b")+model+end, "field 1 of the form holds the text of its boundary")
	f("--b\n--b\n"+model+end, "field 1 of the form holds the text of its boundary")
	f("--b\n"+name+"model\nother\n"+model+end, "its header does not end in an empty line")
	f("--b\n\nother\n"+model+end, "does not end in an empty line")
	f("--b\n\n\nother\n"+model+end, "a broken line in its header")
	f(with("Content-Type: text/plain"), "field 2 of the form: it has no Content-Disposition")
	f(with(name+"x\n"+name+"model"), "its header has content-disposition twice")
	f(with(name+"xLF"+name+"model"), "a bare line break or another control character")
	f(with(name+"x\r"+name+"model"), "a bare line break or another control character")
	f(with(name+"x;\n name=model"), "a broken line in its header")
	f(with("Content-Disposition : form-data; name=model"), "a broken line in its header")
	f(with(": x"), "a broken line in its header")
	f(with(name+"x\x00"), "another control character")
	f(with(name+"x\u0085"), "another control character")
	f(with(name+"\xff"), "its header is not valid UTF-8")
	f(with(name+"x\nX: "+strings.Repeat("x", maxPartHeader)), "longer than 8192 bytes")
	f(with("Content-Disposition: attachment; name=model"), "is not form-data")
	f(with("Content-Disposition: ;;"), "is not form-data")
	f(with("Content-Disposition: form-data"), "its Content-Disposition is broken")
	f(with(name+"x;"), "its Content-Disposition is broken")
	f(with(name+`"model`), "its Content-Disposition is broken")
	f(with(name+`"x\"; name="model"`), "its Content-Disposition is broken")
	f(with(name+"x; name=model"), "has more than a name and a file name")
	f(with(name+"x; name*=utf-8''model"), "has more than a name and a file name")
	f(with(name+"x; filename=a; filename=b"), "has more than a name and a file name")
	f(with("Content-Disposition: form-data; name*=utf-8''model"), "does not begin with the parameter name")
	f(with(`Content-Disposition: form-data; filename="model"; name="x"`), "does not begin with the parameter name")
	f(with(name+`"x"; filename="; name=model;"`), "its file name looks like a parameter")
	f(with(name+`"mod%65l"`), `its name "mod%65l" may be taken for "model"`)
	f(with(name+`"%256dodel%5B%5D"`), `may be taken for "model"`)
	f(with(name+`"m%00"; filename=x`), "")
	f(with(name+`"model%00x"`), `may be taken for "model"`)
	f(with(name+`"mod\el"`), "its name has characters other than")
	f(with(name+`" model"`), "its name has characters other than")
	f(with(name+`"ｍodel"`), "its name has characters other than")
	f(with(name+`"Model"`), `its name "Model" may be taken for "model"`)
	f(with(name+`"model[]"`), `its name "model[]" may be taken for "model"`)
	f(with(name+`"[MODEL]"`), `its name "[MODEL]" may be taken for "model"`)
	f(with(name+`"model.x"`), `its name "model.x" may be taken for "model"`)
	f(with(name+`"x"`+"\nContent-Type: Multipart/mixed; boundary=c"), "a form in a form")
	f(with(name+"x\nContent-Length: 4"), "its Content-Length is not its length")
	f(part(name+`"model"; filename="x"`, "fast")+end, "the model has a file name")
	f(part(name+`"model"; filename*=utf-8''x`, "fast")+end, "the model has a file name")
	f(part(name+"model\nContent-Transfer-Encoding: base64", "ZmFzdA==")+end, "the model has a Content-Transfer-Encoding")
	f(part(name+"model\nContent-Type: application/json", "fast")+end, "the model is not of the type text/plain in UTF-8")
	f(part(name+"model\nContent-Type: text/plain; charset=utf-16", "fast")+end, "the model is not of the type text/plain in UTF-8")
	f(part(name+"model", "\xff")+end, "the model is not valid UTF-8")
	f(model+strings.Repeat(part(name+"x", "y"), maxParts-1)+end, "")
	f(model+strings.Repeat(part(name+"x", "y"), maxParts)+end, "the form has more than 256 fields")
}

// The provider reads a form by the boundary by which we have read it.
func TestFormsHaveOneBoundary(t *testing.T) {
	p := newProvider(t, says(200, `{"text":"hello"}`))
	_, url := inOrder(t, "", p.URL)
	body, _ := form(t, "model", "fast")
	boundary := strings.TrimSpace(body[2:strings.Index(body, "\r\n")])
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/audio/transcriptions", strings.NewReader(body))
	require.NoError(t, err)
	req.Header["Content-Type"] = []string{"Multipart/Form-Data;charset=utf-16; BOUNDARY*=utf-8''" + boundary, "multipart/form-data; boundary=other"}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, []string{"multipart/form-data; boundary=" + boundary}, p.last(t).header["Content-Type"])
}

func FuzzForm(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nfast\r\n--b--\r\n"))
	f.Add([]byte("--b\r\nContent-Disposition: form-data; name=stream\r\n\r\ntrue\r\n--b\r\nContent-Disposition: form-data; name=model; filename=x\r\n\r\nfast\r\n--b--"))
	f.Fuzz(func(t *testing.T, body []byte) {
		req := request{body: body, boundary: "b"}
		if req.inspectForm() != nil {
			return
		}
		out := slices.Concat(req.rewrite(target("another-model"), false)...)
		again := request{body: out, boundary: "b"}
		require.NoError(t, again.inspectForm())
		require.Equal(t, "another-model", again.model)
		read, err := multipart.NewReader(bytes.NewReader(out), "b").ReadForm(1 << 20)
		require.NoError(t, err)
		require.Equal(t, []string{"another-model"}, read.Value["model"], "the standard library finds the same")
	})
}
