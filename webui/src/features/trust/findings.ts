/** Findings in the page's language: they come as figures. */
import type { Finding } from "@/shared/api/types";
import type { Texts } from "@/shared/texts";
import { percentOf } from "@/shared/ui/words";

interface Spelled {
  text: string;
  offenders: readonly string[];
}

/** How many screenshots are anchored; where too few are, why, and what helps against the most frequent reason. */
function anchored(texts: Texts, found: Extract<Finding, { name: "mostly_anchored" }>): string {
  const { finding, overlap, help } = texts.trust;
  const share = finding.anchored(percentOf(texts, found.share), found.screenshots, percentOf(texts, found.wanted_share));
  const counts = REASONS.map((reason) => [reason, found.overlaps[reason] ?? 0] as const).filter(([, count]) => count > 0);
  const most = counts.reduce<(typeof counts)[number] | null>((best, one) => (best === null || one[1] > best[1] ? one : best), null);
  if (found.holds || most === null) return share;
  const inAll = counts.reduce((sum, [, count]) => sum + count, 0);
  const why = finding.why(inAll, counts.map(([reason, count]) => overlap[reason](count)));
  return `${share} ${why} ${help[most[0]](found.reach_px)}`;
}

const REASONS = ["little_overlap", "plain", "repeated", "different"] as const;

export function spellFinding(texts: Texts, found: Finding): Spelled {
  const { finding, offender, own } = texts.trust;
  const { status, sure } = texts.map.lineage;
  const area = ({ row, col }: { row: number; col: number }) => own(row, col);
  const count = found.offenders_in_all;
  switch (found.name) {
    case "loops_close":
      return {
        text: finding.loops(count, found.offsets),
        offenders: found.offenders.map(({ areas, dx, dy }) => offender.loop(areas.map(area).join(" · "), dx, dy)),
      };
    case "shots_placed":
      return { text: finding.placed(count, found.screenshots), offenders: found.offenders.map(area) };
    case "decisive_offsets_kept":
      return {
        text: finding.kept(count, found.dropped),
        offenders: found.offenders.map((one) => offender.dropped(area(one.area), area(one.other), Number(one.off_px.toFixed(1)))),
      };
    case "mostly_anchored":
      return {
        text: anchored(texts, found),
        offenders: found.offenders.map((one) =>
          offender.unsure(area(one.area), status[one.status], sure(percentOf(texts, one.confidence))),
        ),
      };
    case "one_group":
      return {
        text: finding.groups(count),
        offenders: found.offenders.map((one) => offender.group(one.group, one.screenshots)),
      };
    case "positions_hold":
      return {
        text: finding.positions(count, found.screenshots, found.farthest_px, found.reach_px),
        offenders: found.offenders.map((one) => offender.found(area(one.area), one.dx, one.dy)),
      };
  }
}
