import { render } from "preact";
import { refused } from "./api/client.ts";
import { App } from "./app.tsx";
import { sentence } from "./parts/problem.tsx";
import { greet } from "./state.ts";
import "./style/base.css";
import "./style/parts.css";
import "./style/views.css";

const place = document.getElementById("page") as HTMLElement;
render(<App trouble={null} />, place);
greet().catch((error: unknown) => {
  // A service that wants a key shows the gate.
  if (refused.value) return;
  const text = error instanceof Error ? error.message : String(error);
  render(<App trouble={sentence(text)} />, place);
});
