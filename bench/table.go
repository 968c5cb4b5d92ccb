package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

const tableHead = `| work | subject | CPU | ratio | per second | ratio | p50 | p99 | RSS | more |
|---|---|---|---|---|---|---|---|---|---|
`

// rows are the lines of a work's table.
func rows(w *work, samples [][]*sample) string {
	var b strings.Builder
	for i, ln := range w.lanes {
		own, base := samples[i], samples[w.base]
		cpu, rate := each(own, cpuPerUnit), each(own, perSecond)
		cells := []string{
			w.title, ln.label, "", asRatio(spreadOf(ratios(cpu, each(base, cpuPerUnit)))),
			asCount(median(rate)), asRatio(spreadOf(ratios(rate, each(base, perSecond)))),
			"", "", "", more(w, samples, i),
		}
		if ln.subject != direct {
			cells[2] = asTime(median(cpu)) + " a " + w.unit
			cells[8] = asBytes(median(each(own, resident)))
		}
		if own[0].latency != nil {
			cells[6], cells[7] = asTime(median(each(own, p50))), asTime(median(each(own, p99)))
		}
		if w.fixed {
			cells[4], cells[5] = "", "" // the load's, not the subject's
		}
		if w.shared {
			cells[2], cells[3] = "", ""
		}
		b.WriteString(row(cells))
	}
	return b.String()
}

func row(cells []string) string {
	for i, cell := range cells {
		if cell == "" {
			cells[i] = "–"
		}
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

// more is what has no column.
func more(w *work, samples [][]*sample, at int) string {
	var parts []string
	if own := samples[at]; own[0].flushes > 0 && !w.shared && w.lanes[at].subject != direct {
		parts = append(parts, asTime(median(each(own, cpuPerFlush)))+" a flush")
	}
	if ratio := besides(w, samples, at); ratio != "" {
		parts = append(parts, ratio)
	}
	for i, f := range samples[at][0].figures {
		value := median(each(samples[at], func(s *sample) float64 { return s.figures[i].value }))
		parts = append(parts, f.name+" "+f.as(value))
	}
	for i, ln := range w.lanes {
		if ln.subject != direct || i == at || samples[i][0].latency == nil {
			continue
		}
		over := func(q func(*sample) float64) string {
			added := median(each(samples[at], q)) - median(each(samples[i], q))
			sign := "+"
			if added < 0 {
				sign = "−"
			}
			return sign + asTime(max(added, -added))
		}
		parts = append(parts, "over the provider alone p50 "+over(p50)+", p99 "+over(p99))
	}
	return strings.Join(parts, ", ")
}

// besides compares the CPU with that of the lane's counterpart.
func besides(w *work, samples [][]*sample, at int) string {
	for i, ln := range w.lanes {
		if ln.label == "" || ln.label != w.lanes[at].beside {
			continue
		}
		if ratio := asRatio(spreadOf(ratios(each(samples[at], cpuPerUnit), each(samples[i], cpuPerUnit)))); ratio != "" {
			return "CPU " + ratio + " to `" + ln.label + "`"
		}
	}
	return ""
}

func asRatio(s spread) string {
	if s.median == 0 {
		return ""
	}
	if s.low == s.high {
		return fmt.Sprintf("%.2f", s.median) // of one round, or of the base
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.median, s.low, s.high)
}

func asNumber(v float64) string { return fmt.Sprintf("%.2f", v) }

func asCount(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

// asTime has three digits.
func asTime(v float64) string {
	unit, name := time.Second, "s"
	switch d := time.Duration(v); {
	case d < time.Millisecond:
		unit, name = time.Microsecond, "µs"
	case d < time.Second:
		unit, name = time.Millisecond, "ms"
	}
	v /= float64(unit)
	digits := 2
	if v >= 10 {
		digits = 1
	}
	if v >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(v, 'f', digits, 64) + " " + name
}

func asBytes(v float64) string {
	if v < 1<<20 {
		return fmt.Sprintf("%.1f KiB", v/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", v/(1<<20))
}

func itoa(n int) string { return strconv.Itoa(n) }
