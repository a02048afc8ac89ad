/** One colour scale for the confidence of a screenshot's place: red at 0, through amber, to green at 1. */

export function hueOf(confidence: number): number {
  return Math.round(4 + 146 * Math.min(1, Math.max(0, confidence)));
}

export function colourOf(confidence: number, alpha = 1): string {
  return `hsl(${hueOf(confidence)} 85% 48% / ${alpha})`;
}
