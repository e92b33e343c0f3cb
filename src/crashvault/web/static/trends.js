// Lines of events over time, in place of the bars that the server has drawn.
"use strict";

(() => {
  const place = document.querySelector("[data-plot]");
  const { times, lines } = JSON.parse(place.dataset.plot);
  const names = Object.keys(lines);
  if (!names.length || !window.uPlot) return;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const palette = { debug: "--muted", info: "--info", warning: "--warn", error: "--bad", critical: "--new" };
  const others = ["--bar", "--info", "--good", "--warn", "--new", "--bad", "--muted"];
  const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  place.replaceChildren();
  const plot = new uPlot({
    width: place.clientWidth,
    height: 260,
    scales: { y: { range: (_, low, high) => [0, Math.max(1, high)] } },
    series: [{}, ...names.map((name, number) => ({
      label: name, stroke: colour(palette[name] || others[number % others.length]), width: 2, points: { show: false },
    }))],
    axes: [axis, { ...axis, size: 60 }],
  }, [times, ...names.map((name) => lines[name])], place);
  addEventListener("resize", () => plot.setSize({ width: place.clientWidth, height: 260 }));
})();
