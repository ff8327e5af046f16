#!/usr/bin/env bash
# Measures routing among ever more endpoints, and plots it into docs/routing.svg. It needs gnuplot.
set -euo pipefail
cd "$(dirname "$0")/../.."
data=$(mktemp -d)
trap 'rm -rf "$data"' EXIT
go test ./router -run '^$' -bench 'Routing|OneFilterAfterAnother' -benchmem | tee "$data/bench.txt"
for series in Routing OneFilterAfterAnother; do
	for kind in exact plus hash; do
		sed -n "s|^Benchmark$series/$kind/\([0-9]*\)-[0-9]*[[:space:]]*[0-9]*[[:space:]]*\([0-9.]*\) ns/op.*|\1 \2|p" \
			"$data/bench.txt" >"$data/$series.$kind"
	done
done
cd "$data"
gnuplot <<-'PLOT'
	set terminal svg size 760,420 font "sans-serif,13" background "white"
	set output "routing.svg"
	set logscale xy
	set xlabel "endpoints with a topic filter each"
	set ylabel "nanoseconds an event"
	set yrange [10:1000000]
	set key left top
	set grid
	plot "OneFilterAfterAnother.exact" with linespoints title "one filter after another, exact", \
	     "OneFilterAfterAnother.plus"  with linespoints title "one filter after another, +", \
	     "OneFilterAfterAnother.hash"  with linespoints title "one filter after another, #", \
	     "Routing.exact" with linespoints title "routing table, exact", \
	     "Routing.plus"  with linespoints title "routing table, +", \
	     "Routing.hash"  with linespoints title "routing table, #", \
	     2000 title "budget" dashtype 2 linecolor "gray"
PLOT
mv routing.svg "$OLDPWD/docs/routing.svg"
