import { describe, expect, it } from "vitest";

import { spellFinding } from "@/features/trust/findings";
import type { Finding } from "@/shared/api/types";
import { en } from "@/shared/texts/en";
import { ja } from "@/shared/texts/ja";

const told = { severity: "error", text: "what the command line says" } as const;

const HOLD: readonly Finding[] = [
  { ...told, name: "loops_close", holds: true, offsets: 84, offenders: [], offenders_in_all: 0 },
  { ...told, name: "shots_placed", holds: true, screenshots: 36, offenders: [], offenders_in_all: 0 },
  { ...told, name: "decisive_offsets_kept", holds: true, dropped: 2, offenders: [], offenders_in_all: 0 },
  { ...told, name: "mostly_anchored", holds: true, screenshots: 36, share: 1, wanted_share: 0.9, overlaps: {}, reach_px: 160, offenders: [], offenders_in_all: 0 },
  { ...told, name: "one_group", holds: true, offenders: [], offenders_in_all: 0 },
];

const area = (row: number, col: number) => ({ row, col });

const FAIL: readonly Finding[] = [
  {
    ...told, name: "loops_close", holds: false, offsets: 84, offenders_in_all: 1,
    offenders: [{ areas: [area(0, 1), area(1, 1)], dx: 3, dy: -1 }],
  },
  { ...told, name: "shots_placed", holds: false, screenshots: 36, offenders: [area(2, 5)], offenders_in_all: 1 },
  {
    ...told, name: "decisive_offsets_kept", holds: false, dropped: 4, offenders_in_all: 1,
    offenders: [{ area: area(0, 0), other: area(0, 1), off_px: 12.34 }],
  },
  {
    ...told, name: "mostly_anchored", holds: false, screenshots: 36, share: 0.5, wanted_share: 0.9, offenders_in_all: 18,
    overlaps: { repeated: 30, different: 2 }, reach_px: 160,
    offenders: [{ area: area(3, 4), status: "ambiguous", confidence: 0.25 }],
  },
  { ...told, name: "one_group", holds: false, offenders: [{ group: 3, screenshots: 2 }], offenders_in_all: 1 },
];

describe("a finding", () => {
  it("is spelled with its figures", () => {
    expect(HOLD.map((one) => spellFinding(en, one).text)).toEqual([
      "Every loop of the 84 verified offsets closes.",
      "Every one of 36 screenshots has a place.",
      "The solve dropped 2 verified offsets, none of them decisive.",
      "100% of 36 screenshots are anchored; 90% are wanted.",
      "No group of screenshots is tied together apart from the map.",
    ]);
    expect(FAIL.map((one) => spellFinding(en, one))).toEqual([
      {
        text: "1 loop of neighbouring offsets does not close, of 84 verified offsets.",
        offenders: ["Row 0, column 1 · Row 1, column 1: off by 3, -1 px"],
      },
      { text: "1 of 36 screenshots has no place.", offenders: ["Row 2, column 5"] },
      {
        text: "The solve dropped 4 verified offsets, 1 of them decisive.",
        offenders: ["Row 0, column 0 – Row 0, column 1: off by 12.3 px"],
      },
      {
        text:
          "50% of 36 screenshots are anchored; 90% are wanted. Of 32 overlaps of the others without an offset, "
          + "30 fit in several places (repeated structure), 2 show different things. "
          + "More screenshots between these help, or exact positions.",
        offenders: ["Row 3, column 4: Ambiguous, 25% sure"],
      },
      { text: "1 group of screenshots is tied together, but not to the map.", offenders: ["Group 3: 2 screenshots"] },
    ]);
  });

  it("is Japanese on a Japanese page, with the same figures", () => {
    for (const one of [...HOLD, ...FAIL]) {
      const { text, offenders } = spellFinding(ja, one);
      for (const words of [text, ...offenders]) expect(words.replaceAll("px", "")).not.toMatch(/[A-Za-z]/);
    }
    expect(spellFinding(ja, FAIL[3] as Finding)).toEqual({
      text:
        "スクリーンショット 36 枚中 50% が確定しています（目標 90%）。 残りの画像でオフセットが得られなかった重なり 32 件のうち、"
        + "複数の位置に合うもの（繰り返し模様）が 30 件、写っているものが異なるものが 2 件です。 "
        + "間にスクリーンショットを追加するか、正確な位置を指定してください。",
      offenders: ["行 3、列 4：曖昧、確度 25%"],
    });
  });
});
