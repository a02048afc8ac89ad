/** Which survey is shown, and which others there are. */
import { useClickOutside, useHotkeys } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "wouter";

import type { Survey } from "@/shared/api/types";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";
import { useDocumentTitle } from "@/shared/ui/State";
import { Thumb } from "@/shared/ui/Thumb";
import { dateOf, titleOf } from "@/shared/ui/words";

export function Picker({ surveys, current, isThere }: { surveys: readonly Survey[]; current: string | null; isThere: boolean }) {
  const texts = useTexts();
  const [open, setOpen] = useState(false);
  const outside = useClickOutside(() => setOpen(false));
  useHotkeys([["Escape", () => setOpen(false), { preventDefault: false }]]); // an open panel hears it too
  const chosen = surveys.find((survey) => survey.id === current) ?? null;
  useDocumentTitle(chosen === null ? "" : titleOf(texts, chosen));
  if (surveys.length === 0 || (chosen === null && isThere && current === null)) return null;
  return (
    <div className="picker" ref={outside}>
      <button
        type="button" className="picker-button sheet" aria-expanded={open} aria-controls="surveys"
        onClick={() => setOpen(!open)}
      >
        <Thumb survey={chosen} />
        <span className="words">
          <strong className="clip">{chosen === null ? (current ?? texts.map.choose) : titleOf(texts, chosen)}</strong>
          <small className="clip">{chosen === null ? texts.map.choose : noteOf(chosen)}</small>
        </span>
        <Icon name="down" size={16} />
      </button>
      {open && (
        <nav id="surveys" className="picker-list sheet" aria-label={texts.map.choose}>
          <ul>
            {surveys.map((survey) => (
              <li key={survey.id}>
                <Link
                  className="entry" href={survey.links.map} aria-current={survey.id === current ? "page" : undefined}
                  onClick={() => setOpen(false)}
                >
                  <Thumb survey={survey} />
                  <span className="words">
                    <span className="clip">{titleOf(texts, survey)}</span>
                    <small className={survey.state === "failed" ? "clip failed" : "clip"}>{noteOf(survey)}</small>
                  </span>
                </Link>
              </li>
            ))}
          </ul>
        </nav>
      )}
    </div>
  );

  function noteOf(survey: Survey): string {
    if (survey.withheld !== null) return texts.withheld.badge;
    return survey.state === "completed" ? dateOf(texts, survey.finished_at ?? survey.created_at) : texts.states[survey.state];
  }
}
