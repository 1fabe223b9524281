import { expect, test, vi } from "vitest";

vi.stubGlobal("sessionStorage", { getItem: () => null });
const { nameIn } = await import("../src/api/client.ts");

test("a file has the name that the service gives it, in any script", () => {
  const said = (name: string, encoded: string): string =>
    `attachment; filename="${name}"; filename*=UTF-8''${encoded}`;
  expect(nameIn(said("________ ______.csv", encodeURIComponent("Интервью Мюллер.csv")))).toBe(
    "Интервью Мюллер.csv",
  );
  expect(nameIn(said("a.csv", "a%3B%20%27b%27%2A.csv"))).toBe("a; 'b'*.csv");
  expect(nameIn('attachment; filename="corrections.zip"')).toBe("corrections.zip");
  expect(nameIn("attachment; filename*=utf-8'de'%C3%BC.csv; filename=\"u.csv\"")).toBe("ü.csv");
  expect(nameIn(said("broken.csv", "%FF.csv"))).toBe("broken.csv");
  expect(nameIn("attachment")).toBeNull();
  expect(nameIn(null)).toBeNull();
});
