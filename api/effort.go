package api

// The budgets in tokens that efforts stand for, as Google gives them for its own
// translation: https://ai.google.dev/gemini-api/docs/openai#thinking.
const (
	budgetLow    = 1024
	budgetMedium = 8192
	budgetHigh   = 24576
)

// EffortBudget is the number of tokens that an effort stands for; 0 for none and
// for what is unknown.
func EffortBudget(effort string) int64 {
	switch effort {
	case "minimal", "low":
		return budgetLow
	case "medium":
		return budgetMedium
	case "high", "xhigh", "max":
		return budgetHigh
	}
	return 0
}

// BudgetEffort is the effort that comes nearest to a number of tokens.
func BudgetEffort(budget int64) string {
	switch {
	case budget <= 0:
		return ""
	case budget <= 2*budgetLow:
		return "low"
	case budget <= 2*budgetMedium:
		return "medium"
	}
	return "high"
}
