package responses

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// searchName is how the neutral format calls OpenAI's web search.
const searchName = "web_search"

// maxName is how long a tool's name may be in the narrowest of the formats.
const maxName = 64

// flatName is the name of a tool in a namespace where there are no namespaces.
// Codex calls its MCP servers' tools like that for such providers:
// https://github.com/openai/codex/issues/26234.
func flatName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	const between = "__"
	flat := strings.TrimSuffix(namespace, between) + between + name
	if len(flat) <= maxName {
		return flat
	}
	sum := sha256.Sum256([]byte(flat))
	return flat[:maxName-13] + "_" + hex.EncodeToString(sum[:6])
}

// toolName is a tool's name as the client knows it.
type toolName struct {
	name, namespace string
	custom          bool
}

// toolNames are the client's names of its tools, where they say more than the
// neutral ones, which are the keys. The tools of a namespace all have the whole of
// it as their Raw, which is read once.
func toolNames(req *api.Request) map[string]toolName {
	names := map[string]toolName{}
	var before []byte
	for i := range req.Tools {
		tool := &req.Tools[i]
		native := tool.Source == api.Responses && len(tool.Raw) > 0 && tool.Kind != api.OpaqueTool
		if native && (len(before) == 0 || &before[0] != &tool.Raw[0]) {
			before = tool.Raw
			namespaceNames(tool.Raw, names)
		}
		if _, known := names[tool.Name]; !known && tool.Kind == api.CustomTool {
			names[tool.Name] = toolName{name: tool.Name, custom: true}
		}
	}
	return names
}

// namespaceNames adds the names of a namespace's tools, if the tool is one.
func namespaceNames(raw []byte, names map[string]toolName) {
	if string(jsonscan.Member(raw, "type")) != `"namespace"` {
		return
	}
	namespace, _ := jsonscan.String(jsonscan.Member(raw, "name"))
	inside := jsonscan.Array(jsonscan.Member(raw, "tools"))
	for inside.Next() {
		name, _ := jsonscan.String(jsonscan.Member(inside.Value(), "name"))
		names[flatName(namespace, name)] = toolName{
			name: name, namespace: namespace, custom: string(jsonscan.Member(inside.Value(), "type")) == `"custom"`,
		}
	}
}
