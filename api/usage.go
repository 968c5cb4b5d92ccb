package api

// Usage counts the tokens of one exchange in disjoint classes, so that adding
// them never counts a token twice; a field whose comment says "of them" is part
// of the one before. The wire formats differ: OpenAI's input includes cached
// tokens and its output includes reasoning, Anthropic's input excludes both
// cache classes, Gemini's candidates exclude thoughts.
type Usage struct {
	// Input is the prompt's tokens that no cache served or stored.
	Input int64
	// CacheRead is the prompt's tokens read from a cache.
	CacheRead int64
	// CacheWrite is the prompt's tokens written to a cache, for however long.
	CacheWrite int64
	// CacheWriteHour is those of them that are kept for an hour, which costs
	// more than the five minutes of the others. Only Anthropic tells them
	// apart.
	CacheWriteHour int64
	// Output is the answer's tokens without the reasoning.
	Output int64
	// Reasoning is the tokens spent thinking, billed as output. Providers that
	// do not tell them apart, Anthropic's older models among them, leave it 0
	// and count them in Output.
	Reasoning int64
	// Audio and Image are those of the three classes that are sound and images,
	// which some models bill at prices of their own. Where a provider does not
	// tell them apart they are 0, and counted as text.
	Audio, Image Modality
	// Known says that the provider sent a usage at all: without it every
	// class is unknown, which is not zero.
	Known bool
}

// Modality counts the tokens of one kind of content, each number a part of the
// class of the same name.
type Modality struct{ Input, CacheRead, Output int64 }

// Prompt is the number of tokens that the model was given.
func (u Usage) Prompt() int64 { return u.Input + u.CacheRead + u.CacheWrite }

// Generated is the number of tokens that the model produced.
func (u Usage) Generated() int64 { return u.Output + u.Reasoning }
