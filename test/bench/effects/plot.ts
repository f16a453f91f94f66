/** Figures of a bench as SVG, drawn by Apache ECharts without a browser. */
import { writeFileSync } from "node:fs";
import { init } from "echarts";

export interface Plot {
  title: string;
  x: string;
  y: string;
  /** The y axis is logarithmic, to base 10: proportion is a straight line. */
  logarithmic?: boolean;
  /** Names on the x axis of bars, or of lines by number. */
  categories?: readonly string[];
  series: readonly {
    name: string;
    points: readonly number[] | readonly (readonly [number, number])[];
    dashed?: boolean;
  }[];
}

const WIDTH = 760;
const HEIGHT = 420;

/** Writes bars where there are categories, and lines over the logarithm to base 2 where there are none. */
export function plot(path: string, { title, x, y, logarithmic, categories, series }: Plot): void {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: "center", textStyle: { fontSize: 15 } },
    legend: { bottom: 0 },
    grid: { left: 70, right: 30, top: 50, bottom: 80 },
    xAxis: categories
      ? { type: "category", data: [...categories], name: x, nameLocation: "middle", nameGap: 28 }
      : { type: "log", logBase: 2, name: x, nameLocation: "middle", nameGap: 28 },
    yAxis: { type: logarithmic ? "log" : "value", name: y, nameLocation: "middle", nameGap: 50 },
    series: series.map(({ name, points, dashed }) => ({
      name,
      type: categories ? ("bar" as const) : ("line" as const),
      data: [...points] as number[],
      symbolSize: 6,
      ...(dashed ? { lineStyle: { type: "dashed" as const } } : {}),
    })),
  });
  writeFileSync(path, `${chart.renderToSVGString()}\n`);
  chart.dispose();
}
