/** Surveys, times and shares as text. */
import type { Survey } from "../api/types";
import type { Texts } from "../texts";

export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf("-") + 1));
}

export function titleOf(texts: Texts, survey: Pick<Survey, "id" | "game" | "save">): string {
  return texts.survey(survey.game, survey.save, numberOf(survey.id));
}

export function dateOf(texts: Texts, instant: string): string {
  return new Intl.DateTimeFormat(texts.locale, { dateStyle: "medium", timeStyle: "short" }).format(new Date(instant));
}

/** A span of time in its two largest units: `1 h 4 min`, `52 s`. */
export function spanOf(texts: Texts, from: string, to: string): string {
  const seconds = Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));
  const unit = (value: number, name: string) =>
    new Intl.NumberFormat(texts.locale, { style: "unit", unit: name, unitDisplay: "short" }).format(value);
  if (seconds < 60) return unit(seconds, "second");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${unit(minutes, "minute")} ${unit(seconds % 60, "second")}`;
  return `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}`;
}

/** A share in percent; only the whole is 100 %. */
export function percentOf(texts: Texts, share: number, digits = 0): string {
  const step = 10 ** -(digits + 2);
  const told = share < 1 ? Math.min(share, 1 - step) : 1;
  return new Intl.NumberFormat(texts.locale, { style: "percent", maximumFractionDigits: digits }).format(told);
}
