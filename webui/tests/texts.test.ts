import { describe, expect, it } from "vitest";

import { en } from "@/shared/texts/en";
import { ja } from "@/shared/texts/ja";

/** Every text that stands for itself, by its path. */
function* plain(table: object, path = ""): Generator<[string, string]> {
  for (const [key, value] of Object.entries(table)) {
    if (typeof value === "string") yield [`${path}${key}`, value];
    else if (typeof value === "object" && value !== null) yield* plain(value as object, `${path}${key}.`);
  }
}

// the same in both languages: names, sizes and examples
const SAME = new Set(["map.goTo.placeholder", "surveys.dagster", "history.makeGif", "history.makeWebp", "trust.px"]);

describe("Japanese texts", () => {
  it("are Japanese wherever the English ones are words", () => {
    const english = new Map(plain(en));
    const same = [...plain(ja)].filter(([path, text]) => english.get(path) === text && !SAME.has(path));
    expect(same).toEqual([]);
  });
});
