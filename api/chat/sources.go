package chat

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// sources are what an answer rests upon as Perplexity and xAI tell it, beside the
// choices instead of in them: URLs, and perhaps their titles elsewhere
// (https://docs.perplexity.ai/api-reference/chat-completions-post,
// https://docs.x.ai/docs/guides/live-search).
type sources struct{ citations, results []byte }

// member takes a member of an answer or a chunk, which is kept for longer.
func (s *sources) member(name string, value []byte) {
	if api.Empty(value) || value[0] != '[' {
		return
	}
	switch name {
	case "citations":
		s.citations = append(s.citations[:0], value...)
	case "search_results":
		s.results = append(s.results[:0], value...)
	}
}

func (s *sources) any() bool { return s.citations != nil || s.results != nil }

// list calls f for each of them.
func (s *sources) list(f func(api.Citation)) {
	titles := map[string]string{}
	var urls []string
	for it := jsonscan.Array(s.results); it.Next(); {
		url := textOf(jsonscan.Member(it.Value(), "url"))
		titles[url] = textOf(jsonscan.Member(it.Value(), "title"))
		urls = append(urls, url)
	}
	if s.citations != nil {
		urls = urls[:0]
		for it := jsonscan.Array(s.citations); it.Next(); {
			url := textOf(it.Value())
			if url == "" {
				url = textOf(jsonscan.Member(it.Value(), "url"))
			}
			urls = append(urls, url)
		}
	}
	for _, url := range urls {
		if url != "" {
			f(api.Citation{URL: url, Title: titles[url]})
		}
	}
}

// cite gives them to the last text of an answer in which nothing is cited.
func (s *sources) cite(parts []api.Part) {
	if !s.any() {
		return
	}
	var last *api.Part
	for i := range parts {
		if len(parts[i].Citations) > 0 {
			return
		}
		if parts[i].Kind == api.Text {
			last = &parts[i]
		}
	}
	if last != nil {
		s.list(func(c api.Citation) { last.Citations = append(last.Citations, c) })
	}
}
