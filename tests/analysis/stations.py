"""The same weather stations in four languages, with commits that do no harm and guilty ones.

The edits were written after the judging of commits was, and for another program than the one it was tried on. Many harmless
ones change the function that crashes, its file, or what it calls; some guilty ones are in another file than the crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tests.analysis.histories import Edit


class Station(NamedTuple):
    """A program in one language."""

    tools: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]  # what builds and runs it
    base: Mapping[str, str]
    harmless: list[Edit]
    guilty: list[Edit]


_NODE = {
    "README.md": "# Stations\n",
    "lib/data.js": """const STATIONS = {
  north: { label: 'North', unit: 'c', height: { metres: 120 } },
  south: { label: 'South', unit: 'f', height: null },
};

const READINGS = [
  { station: 'north', values: '1,2,3' },
  { station: 'south', values: '' },
];

module.exports = { STATIONS, READINGS };
""",
    "lib/parse.js": """const { STATIONS } = require('./data');

function numbers(text) {
  if (!text) return [];
  return text.split(',').map((part) => Number(part));
}

function lookup(key) {
  return STATIONS[key];
}

function reading(raw) {
  const station = lookup(raw.station);
  return { station, values: numbers(raw.values) };
}

module.exports = { numbers, lookup, reading };
""",
    "lib/units.js": """const UNITS = {
  c: { sign: 'C', scale: (value) => value },
  f: { sign: 'F', scale: (value) => value * 1.8 + 32 },
};

function convert(value, unit) {
  return UNITS[unit].scale(value);
}

function sign(unit) {
  return UNITS[unit].sign.toUpperCase();
}

module.exports = { convert, sign };
""",
    "lib/stats.js": """const units = require('./units');

function latest(values) {
  if (values.length === 0) return 0;
  return values[values.length - 1].valueOf();
}

function height(station) {
  if (!station.height) return 0;
  return station.height.metres;
}

function summary(reading) {
  const value = latest(reading.values);
  const shown = units.convert(value, reading.station.unit);
  return { shown, height: height(reading.station) };
}

module.exports = { latest, height, summary };
""",
    "lib/report.js": """const stats = require('./stats');
const units = require('./units');

function title(station) {
  return station.label.padEnd(8);
}

function line(reading) {
  const found = stats.summary(reading);
  const sign = units.sign(reading.station.unit);
  return `${title(reading.station)} ${found.shown.toFixed(1)} ${sign} ${found.height.toFixed(0)} m`;
}

module.exports = { title, line };
""",
    "main.js": """const data = require('./lib/data');
const parse = require('./lib/parse');
const report = require('./lib/report');

function main() {
  for (const raw of data.READINGS) {
    console.log(report.line(parse.reading(raw)));
  }
}

main();
""",
}
NODE = Station(
    ("node",), (("node", "main.js"),), _NODE,
    [
        Edit("lib/parse.js", "function numbers(text) {\n", "// Values are separated by commas.\nfunction numbers(text) {\n", "Explain numbers"),
        Edit("lib/parse.js", "  const station = lookup(raw.station);\n", "  const key = raw.station;\n  const station = lookup(key);\n", "Name the key"),
        Edit("lib/units.js", "value * 1.8 + 32", "value * 9 / 5 + 32", "Write the scale as a fraction"),
        Edit("lib/units.js", "  f: {", "  k: { sign: 'K', scale: (value) => value + 273.15 },\n  f: {", "Know kelvin"),
        Edit("lib/stats.js", "function summary(reading) {\n", "function summary(reading) {\n  // The latest value counts.\n", "Explain summary"),
        Edit("lib/stats.js", "  const value = latest(reading.values);\n", "  const { values } = reading;\n  const value = latest(values);\n", "Take the values apart"),
        Edit("lib/stats.js", "function height(station) {\n", "/** In metres. */\nfunction height(station) {\n", "Document height"),
        Edit("lib/report.js", "padEnd(8)", "padEnd(10)", "Make room for longer labels"),
        Edit("lib/report.js", "  const sign = units", "  // As people write it.\n  const sign = units", "Explain the sign"),
        Edit("lib/data.js", "'1,2,3'", "'1,2,3,5'", "Add a value"),
        Edit("main.js", "function main() {\n", "/** Print all readings. */\nfunction main() {\n", "Document main"),
        Edit("README.md", "# Stations\n", "# Stations\n\nPrints the weather.\n", "Say what it is for"),
    ],
    [
        Edit("lib/stats.js", "  if (values.length === 0) return 0;\n", "", "Trust that there are values"),
        Edit("lib/stats.js", "  if (!station.height) return 0;\n", "", "Every station has a height"),
        Edit("lib/data.js", "unit: 'f', height", "unit: 'fahrenheit', height", "Write units in full"),
        Edit("lib/data.js", "{ station: 'south', values: '' }", "{ station: 'south-2', values: '' }", "Rename the southern readings"),
        Edit("lib/parse.js", "return { station, values: numbers(raw.values) };", "return { site: station, values: numbers(raw.values) };", "Call stations sites"),
        Edit("lib/parse.js", "  return STATIONS[key];", "  return STATIONS[key.toUpperCase()];", "Accept keys in any case"),
        Edit("lib/units.js", "  f: { sign: 'F', scale", "  f: { symbol: 'F', scale", "Use the word symbol"),
        Edit("lib/report.js", "station.label.padEnd(8)", "station.names[0].padEnd(8)", "Show the first name", ),
        Edit("lib/stats.js", "  return { shown, height: height(reading.station) };", "  return { shown };", "Keep the summary short"),
        Edit("lib/units.js", "  return UNITS[unit].scale(value);", "  if (value) return UNITS[unit].scale(value);", "Convert only what is there"),
    ],
)  # fmt: skip

_RUBY = {
    "README.md": "# Stations\n",
    "lib/data.rb": """module Data1
  STATIONS = {
    "north" => { label: "North", unit: :c, metres: 120 },
    "south" => { label: "South", unit: :f, metres: nil },
  }

  READINGS = [
    { station: "north", values: "1,2,3" },
    { station: "south", values: "" },
  ]
end
""",
    "lib/parse.rb": """require_relative "data"

class Parser
  def numbers(text)
    text.split(",").map { |part| Float(part) }
  end

  def lookup(key)
    Data1::STATIONS.fetch(key)
  end

  def reading(raw)
    station = lookup(raw[:station])
    { station: station, values: numbers(raw[:values]) }
  end
end
""",
    "lib/units.rb": """module Units
  SCALES = {
    c: { sign: "C", factor: 1, offset: 0 },
    f: { sign: "F", factor: 1.8, offset: 32 },
  }

  def self.convert(value, unit)
    scale = SCALES[unit]
    value * scale[:factor] + scale[:offset]
  end

  def self.sign(unit)
    SCALES[unit][:sign].upcase
  end
end
""",
    "lib/stats.rb": """require_relative "units"

class Stats
  def latest(values)
    return 0 if values.empty?
    values.last.round(2)
  end

  def height(station)
    station[:metres].to_i.round
  end

  def summary(reading)
    value = latest(reading[:values])
    shown = Units.convert(value, reading[:station][:unit])
    { shown: shown, height: height(reading[:station]) }
  end
end
""",
    "lib/report.rb": """require_relative "stats"

class Report
  def title(station)
    station[:label].ljust(8)
  end

  def line(reading)
    found = Stats.new.summary(reading)
    sign = Units.sign(reading[:station][:unit])
    "#{title(reading[:station])} #{found[:shown].round(1)} #{sign} #{found[:height].floor} m"
  end
end
""",
    "main.rb": """require_relative "lib/parse"
require_relative "lib/report"

def main
  parser = Parser.new
  report = Report.new
  Data1::READINGS.each do |raw|
    puts report.line(parser.reading(raw))
  end
end

main
""",
}
RUBY = Station(
    ("ruby",), (("ruby", "main.rb"),), _RUBY,
    [
        Edit("lib/parse.rb", "  def numbers(text)\n", "  # Values are separated by commas.\n  def numbers(text)\n", "Explain numbers"),
        Edit("lib/parse.rb", "    station = lookup(raw[:station])\n", "    key = raw[:station]\n    station = lookup(key)\n", "Name the key"),
        Edit("lib/units.rb", "factor: 1.8", "factor: 9.0 / 5", "Write the scale as a fraction"),
        Edit("lib/units.rb", "    f: {", '    k: { sign: "K", factor: 1, offset: 273.15 },\n    f: {', "Know kelvin"),
        Edit("lib/stats.rb", "  def summary(reading)\n", "  def summary(reading)\n    # The latest value counts.\n", "Explain summary"),
        Edit("lib/stats.rb", "    value = latest(reading[:values])\n", "    values = reading[:values]\n    value = latest(values)\n", "Take the values apart"),
        Edit("lib/stats.rb", "  def height(station)\n", "  # In metres.\n  def height(station)\n", "Document height"),
        Edit("lib/report.rb", "ljust(8)", "ljust(10)", "Make room for longer labels"),
        Edit("lib/report.rb", "    sign = Units", "    # As people write it.\n    sign = Units", "Explain the sign"),
        Edit("lib/data.rb", '"1,2,3"', '"1,2,3,5"', "Add a value"),
        Edit("main.rb", "def main\n", "# Print all readings.\ndef main\n", "Document main"),
        Edit("README.md", "# Stations\n", "# Stations\n\nPrints the weather.\n", "Say what it is for"),
    ],
    [
        Edit("lib/stats.rb", "    return 0 if values.empty?\n", "", "Trust that there are values"),
        Edit("lib/stats.rb", "station[:metres].to_i.round", "station[:metres].round", "Every station has a height"),
        Edit("lib/data.rb", "unit: :f, metres", "unit: :fahrenheit, metres", "Write units in full"),
        Edit("lib/data.rb", '{ station: "south", values: "" }', '{ station: "south-2", values: "" }', "Rename the southern readings"),
        Edit("lib/parse.rb", "{ station: station, values: numbers(raw[:values]) }", "{ site: station, values: numbers(raw[:values]) }", "Call stations sites"),
        Edit("lib/parse.rb", "    Data1::STATIONS.fetch(key)", "    Data1::STATIONS.fetch(key.upcase)", "Accept keys in any case"),
        Edit("lib/units.rb", 'f: { sign: "F", factor', 'f: { symbol: "F", factor', "Use the word symbol"),
        Edit("lib/report.rb", "station[:label].ljust(8)", "station[:names].first.ljust(8)", "Show the first name"),
        Edit("lib/stats.rb", "{ shown: shown, height: height(reading[:station]) }", "{ shown: shown }", "Keep the summary short"),
        Edit("lib/units.rb", "    value * scale[:factor] + scale[:offset]", "    value.nonzero? && value * scale[:factor] + scale[:offset]", "Convert only what is there"),
    ],
)  # fmt: skip

_GO = {
    "README.md": "# Stations\n",
    "go.mod": "module stations\n\ngo 1.18\n",
    "data.go": """package main

type Height struct{ metres int }

type Station struct {
	label  string
	unit   string
	height *Height
}

type Raw struct{ station, values string }

var stations = map[string]*Station{
	"north": {"North", "c", &Height{120}},
	"south": {"South", "f", nil},
}

var readings = []Raw{
	{"north", "1,2,3"},
	{"south", ""},
}
""",
    "parse.go": """package main

import (
	"strconv"
	"strings"
)

type Reading struct {
	station *Station
	values  []float64
}

func numbers(text string) []float64 {
	found := []float64{}
	for _, part := range strings.Split(text, ",") {
		if value, err := strconv.ParseFloat(part, 64); err == nil {
			found = append(found, value)
		}
	}
	return found
}

func lookup(key string) *Station {
	return stations[key]
}

func parse(raw Raw) Reading {
	station := lookup(raw.station)
	return Reading{station, numbers(raw.values)}
}
""",
    "units.go": """package main

type Scale struct {
	sign   string
	factor float64
	offset float64
}

var scales = map[string]*Scale{
	"c": {"C", 1, 0},
	"f": {"F", 1.8, 32},
}

func convert(value float64, unit string) float64 {
	scale := scales[unit]
	return value*scale.factor + scale.offset
}

func sign(unit string) byte {
	return scales[unit].sign[0]
}
""",
    "stats.go": """package main

type Summary struct {
	shown  float64
	height int
}

func latest(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}

func height(station *Station) int {
	if station.height == nil {
		return 0
	}
	return station.height.metres
}

func summary(reading Reading) *Summary {
	value := latest(reading.values)
	shown := convert(value, reading.station.unit)
	return &Summary{shown, height(reading.station)}
}
""",
    "report.go": """package main

import "fmt"

func title(station *Station) string {
	return fmt.Sprintf("%-8s", station.label[:5])
}

func line(reading Reading) string {
	found := summary(reading)
	return fmt.Sprintf("%s %.1f %c %d m", title(reading.station), found.shown, sign(reading.station.unit), found.height)
}
""",
    "main.go": """package main

import "fmt"

func main() {
	for _, raw := range readings {
		fmt.Println(line(parse(raw)))
	}
}
""",
}
GO = Station(
    ("go",), (("go", "run", "-gcflags=-l", "."),), _GO,
    [
        Edit("parse.go", "func numbers(", "// numbers are separated by commas.\nfunc numbers(", "Explain numbers"),
        Edit("parse.go", "\tstation := lookup(raw.station)\n", "\tkey := raw.station\n\tstation := lookup(key)\n", "Name the key"),
        Edit("units.go", '{"F", 1.8, 32}', '{"F", 9.0 / 5, 32}', "Write the scale as a fraction"),
        Edit("units.go", '\t"c": {', '\t"k": {"K", 1, 273.15},\n\t"c": {', "Know kelvin"),
        Edit("stats.go", "func summary(reading Reading) *Summary {\n", "func summary(reading Reading) *Summary {\n\t// The latest value counts.\n", "Explain summary"),
        Edit("stats.go", "\tvalue := latest(reading.values)\n", "\tvalues := reading.values\n\tvalue := latest(values)\n", "Take the values apart"),
        Edit("stats.go", "func height(", "// height is in metres.\nfunc height(", "Document height"),
        Edit("report.go", "%-8s", "%-10s", "Make room for longer labels"),
        Edit("report.go", "\tfound := summary(reading)\n", "\t// In the station's own unit.\n\tfound := summary(reading)\n", "Explain the unit"),
        Edit("data.go", '"1,2,3"', '"1,2,3,5"', "Add a value"),
        Edit("main.go", "func main() {\n", "// main prints all readings.\nfunc main() {\n", "Document main"),
        Edit("README.md", "# Stations\n", "# Stations\n\nPrints the weather.\n", "Say what it is for"),
    ],
    [
        Edit("stats.go", "\tif len(values) == 0 {\n\t\treturn 0\n\t}\n", "", "Trust that there are values"),
        Edit("stats.go", "\tif station.height == nil {\n\t\treturn 0\n\t}\n", "", "Every station has a height"),
        Edit("data.go", '{"South", "f", nil}', '{"South", "fahrenheit", nil}', "Write units in full"),
        Edit("data.go", '{"south", ""}', '{"south-2", ""}', "Rename the southern readings"),
        Edit("data.go", '{"South", "f", nil}', '{"S", "f", nil}', "Abbreviate the label"),
        Edit("parse.go", "\treturn stations[key]", "\treturn stations[strings.ToUpper(key)]", "Accept keys in any case"),
        Edit("units.go", '"f": {"F", ', '"f": {"", ', "Leave the sign to the reader"),
        Edit("report.go", "station.label[:5]", "station.label[:12]", "Show more of the label"),
        Edit("stats.go", "\treturn &Summary{shown, height(reading.station)}", "\tif value == 0 {\n\t\treturn nil\n\t}\n\treturn &Summary{shown, height(reading.station)}", "Summarize only what is there"),
        Edit("parse.go", "\treturn Reading{station, numbers(raw.values)}", "\treading := Reading{values: numbers(raw.values)}\n\tif len(reading.values) > 0 {\n\t\treading.station = station\n\t}\n\treturn reading", "Look stations up late"),
    ],
)  # fmt: skip

_JAVA = {
    "README.md": "# Stations\n",
    "src/app/Data.java": """package app;

import java.util.List;
import java.util.Map;

class Data {
    static final Map<String, Station> STATIONS = Map.of(
        "north", new Station("North", "c", 120),
        "south", new Station("South", "f", null));

    static final List<String[]> READINGS = List.of(
        new String[] {"north", "1,2,3"},
        new String[] {"south", ""});
}
""",
    "src/app/Station.java": """package app;

class Station {
    final String label;
    final String unit;
    final Integer metres;

    Station(String label, String unit, Integer metres) {
        this.label = label;
        this.unit = unit;
        this.metres = metres;
    }
}
""",
    "src/app/Parser.java": """package app;

import java.util.ArrayList;
import java.util.List;

class Parser {
    static List<Double> numbers(String text) {
        List<Double> found = new ArrayList<>();
        for (String part : text.split(",")) {
            if (!part.isEmpty()) {
                found.add(Double.parseDouble(part));
            }
        }
        return found;
    }

    static Station lookup(String key) {
        return Data.STATIONS.get(key);
    }
}
""",
    "src/app/Units.java": """package app;

import java.util.Map;

class Units {
    static final Map<String, double[]> SCALES = Map.of(
        "c", new double[] {1, 0},
        "f", new double[] {1.8, 32});

    static double convert(double value, String unit) {
        double[] scale = SCALES.get(unit);
        return value * scale[0] + scale[1];
    }

    static char sign(String unit) {
        return unit.toUpperCase().charAt(0);
    }
}
""",
    "src/app/Stats.java": """package app;

import java.util.List;

class Stats {
    static double latest(List<Double> values) {
        if (values.isEmpty()) {
            return 0;
        }
        return values.get(values.size() - 1);
    }

    static int height(Station station) {
        if (station.metres == null) {
            return 0;
        }
        return station.metres;
    }

    static Object[] summary(Station station, List<Double> values) {
        double value = latest(values);
        double shown = Units.convert(value, station.unit);
        return new Object[] {shown, height(station)};
    }
}
""",
    "src/app/Report.java": """package app;

import java.util.List;

class Report {
    static String title(Station station) {
        return station.label.substring(0, 5);
    }

    static String line(Station station, List<Double> values) {
        Object[] found = Stats.summary(station, values);
        double shown = (Double) found[0];
        int height = (Integer) found[1];
        return title(station) + " " + shown + " " + Units.sign(station.unit) + " " + height + " m";
    }
}
""",
    "src/app/Main.java": """package app;

public class Main {
    public static void main(String[] given) {
        for (String[] raw : Data.READINGS) {
            System.out.println(Report.line(Parser.lookup(raw[0]), Parser.numbers(raw[1])));
        }
    }
}
""",
}
JAVA = Station(
    ("javac", "java"), (("sh", "-c", "javac -nowarn -g -d ../classes src/app/*.java"), ("java", "-cp", "../classes", "app.Main")), _JAVA,
    [
        Edit("src/app/Parser.java", "    static List<Double> numbers", "    /** Values are separated by commas. */\n    static List<Double> numbers", "Explain numbers"),
        Edit("src/app/Parser.java", "for (String part : text.split", "for (final String part : text.split", "Make the part final"),
        Edit("src/app/Units.java", "{1.8, 32}", "{9.0 / 5, 32}", "Write the scale as a fraction"),
        Edit("src/app/Units.java", '        "c", new', '        "k", new double[] {1, 273.15},\n        "c", new', "Know kelvin"),
        Edit("src/app/Stats.java", "        double shown = Units", "        // In the station's own unit.\n        double shown = Units", "Explain the unit"),
        Edit("src/app/Stats.java", "        double value = latest(values);\n", "        final double value = latest(values);\n", "Make the value final"),
        Edit("src/app/Stats.java", "    static int height", "    /** In metres. */\n    static int height", "Document height"),
        Edit("src/app/Report.java", '" m"', '" metres"', "Write metres in full"),
        Edit("src/app/Report.java", "        double shown =", "        // Already converted.\n        double shown =", "Explain what is shown"),
        Edit("src/app/Data.java", '"1,2,3"', '"1,2,3,5"', "Add a value"),
        Edit("src/app/Main.java", "    public static void main", "    /** Prints all readings. */\n    public static void main", "Document main"),
        Edit("README.md", "# Stations\n", "# Stations\n\nPrints the weather.\n", "Say what it is for"),
    ],
    [
        Edit("src/app/Stats.java", "        if (values.isEmpty()) {\n            return 0;\n        }\n", "", "Trust that there are values"),
        Edit("src/app/Stats.java", "        if (station.metres == null) {\n            return 0;\n        }\n", "", "Every station has a height"),
        Edit("src/app/Data.java", '"South", "f"', '"South", "fahrenheit"', "Write units in full"),
        Edit("src/app/Data.java", 'new String[] {"south", ""}', 'new String[] {"south-2", ""}', "Rename the southern readings"),
        Edit("src/app/Data.java", '"South", "f"', '"S", "f"', "Abbreviate the label"),
        Edit("src/app/Parser.java", "Data.STATIONS.get(key)", "Data.STATIONS.get(key.toUpperCase())", "Accept keys in any case"),
        Edit("src/app/Parser.java", "            if (!part.isEmpty()) {\n                found.add(Double.parseDouble(part));\n            }\n", "            found.add(Double.parseDouble(part));\n", "Parse every part"),
        Edit("src/app/Report.java", "substring(0, 5)", "substring(0, 12)", "Show more of the label"),
        Edit("src/app/Stats.java", "new Object[] {shown, height(station)}", "new Object[] {shown, (double) height(station)}", "Measure heights exactly"),
        Edit("src/app/Station.java", "        this.unit = unit;", "        this.unit = metres == null ? null : unit;", "Want a height for a unit"),
    ],
)  # fmt: skip
STATIONS = {"javascript": NODE, "ruby": RUBY, "go": GO, "java": JAVA}
