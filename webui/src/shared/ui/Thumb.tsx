/** A survey's map as one small picture; dotted ground where there is none. */
import type { Survey } from "../api/types";

export function Thumb({ survey, size }: { survey: Survey | null; size?: number }) {
  const address = survey?.links.thumbnail ?? null;
  if (survey === null || address === null) return <span className="thumb" aria-hidden="true" />;
  return (
    <img
      className="thumb" src={`${address}?${survey.revision?.slice(0, 8) ?? ""}`} alt="" loading="lazy"
      width={size} height={size}
    />
  );
}
