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
// neutral ones, which are the keys.
func toolNames(req *api.Request) (names map[string]toolName) {
	for i := range req.Tools {
		tool := &req.Tools[i]
		own := toolName{name: tool.Name, custom: tool.Kind == api.CustomTool}
		if tool.Source == api.Responses && string(jsonscan.Member(tool.Raw, "type")) == `"namespace"` {
			own.namespace, own.name = unflatten(tool)
		}
		if own.custom || own.namespace != "" {
			if names == nil {
				names = map[string]toolName{}
			}
			names[tool.Name] = own
		}
	}
	return names
}

// unflatten finds the tool in the namespace that it came from.
func unflatten(tool *api.Tool) (namespace, name string) {
	namespace, _ = jsonscan.String(jsonscan.Member(tool.Raw, "name"))
	inside := jsonscan.Array(jsonscan.Member(tool.Raw, "tools"))
	for inside.Next() {
		name, _ = jsonscan.String(jsonscan.Member(inside.Value(), "name"))
		if flatName(namespace, name) == tool.Name {
			return namespace, name
		}
	}
	return "", tool.Name
}
