import { render } from "preact";
import { App } from "./app.js";
import { startTheme } from "./theme.js";
import "uplot/dist/uPlot.min.css";
import "./page.css";

startTheme();
const place = document.getElementById("app");
if (place) render(<App />, place);
