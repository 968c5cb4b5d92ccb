package messages

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// clientTool is a tool that Anthropic defines and the client runs: its schema is
// not sent, since the models know it. Other models do not, and get it as a
// function.
type clientTool struct{ description, schema string }

// The schemas follow the pages of each tool under
// https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview. Which
// of the members a command needs is left to the descriptions.
const (
	stringMember = `{"type":"string"}`
	pointMember  = `{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2}`
	editMembers  = `"path":{"type":"string","description":"The path of the file or directory."},` +
		`"file_text":{"type":"string","description":"The content of the file, for create."},` +
		`"old_str":{"type":"string","description":"The text to replace, for str_replace. It has to stand in the file once."},` +
		`"new_str":{"type":"string","description":"The text to put there."},` +
		`"insert_line":{"type":"integer","description":"The line after which to insert, for insert; 0 is the start of the file."},` +
		`"view_range":{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2,"description":"The first and the last line, for view of a file; -1 is its end."}`
	insertText = `"insert_text":{"type":"string","description":"The text to insert, for insert."}`
)

func commands(list, members, required string) string {
	return `{"type":"object","properties":{"command":{"type":"string","enum":[` + list + `]},` + members + `},"required":[` + required + `]}`
}

// clientTools are by the beginnings of their types; the first that fits counts.
var clientTools = []struct {
	prefix string
	clientTool
}{
	{"bash_20", clientTool{
		"Run a command in a bash shell that persists between calls.",
		`{"type":"object","properties":{"command":{"type":"string","description":"The command to run."},"restart":{"type":"boolean","description":"True restarts the shell instead."}}}`,
	}},
	{"text_editor_202410", editor},
	{"text_editor_202501", editor},
	{"text_editor_20", clientTool{
		editorDescription,
		commands(`"view","create","str_replace","insert"`, editMembers+","+insertText, `"command","path"`),
	}},
	{"memory_20", clientTool{
		"Keep notes between conversations, as files under /memories: view a file or directory, create or overwrite a file, replace a text, insert at a line, delete, rename.",
		commands(`"view","create","str_replace","insert","delete","rename"`, editMembers+","+insertText+
			`,"old_path":{"type":"string","description":"What to rename."},"new_path":{"type":"string","description":"Its new path."}`, `"command"`),
	}},
	{"computer_2024", clientTool{computerDescription, computerSchema(``, ``)}},
	{"computer_202501", clientTool{computerDescription, computerSchema(laterActions, laterMembers)}},
	{"computer_20", clientTool{computerDescription, computerSchema(laterActions+`,"zoom"`, laterMembers+
		`,"region":{"type":"array","items":{"type":"integer"},"minItems":4,"maxItems":4,"description":"x1, y1, x2, y2 of what to zoom into."}`)}},
}

const (
	editorDescription   = "View and edit files: view a file or directory, create a file, replace a text in a file, insert text after a line."
	computerDescription = "See and control a computer's screen with its mouse and keyboard. Coordinates are x and y in pixels from the upper left corner."

	laterActions = `,"left_mouse_down","left_mouse_up","triple_click","hold_key","scroll","wait"`
	laterMembers = `,"start_coordinate":` + pointMember +
		`,"duration":{"type":"number","description":"Seconds, for hold_key and wait."}` +
		`,"scroll_direction":{"type":"string","enum":["up","down","left","right"]},"scroll_amount":{"type":"integer","description":"Clicks of the wheel."}`
)

var editor = clientTool{
	editorDescription,
	commands(`"view","create","str_replace","insert","undo_edit"`, editMembers, `"command","path"`),
}

func computerSchema(actions, members string) string {
	return `{"type":"object","properties":{"action":{"type":"string","enum":["key","type","cursor_position","mouse_move","left_click","left_click_drag","right_click","middle_click","double_click","screenshot"` +
		actions + `]},"coordinate":` + pointMember + `,"text":` + stringMember + members + `},"required":["action"]}`
}

// asFunction makes a function of a tool that only Anthropic's models know and
// the client runs.
func asFunction(raw []byte, kind string, tool *api.Tool) {
	for i := range clientTools {
		known := &clientTools[i]
		if !strings.HasPrefix(kind, known.prefix) {
			continue
		}
		tool.Kind, tool.Description, tool.Schema = api.FunctionTool, known.description, []byte(known.schema)
		width, height := jsonscan.Member(raw, "display_width_px"), jsonscan.Member(raw, "display_height_px")
		if len(width) > 0 && len(height) > 0 {
			tool.Description += " The screen has " + string(width) + " x " + string(height) + " pixels."
		}
		return
	}
}
