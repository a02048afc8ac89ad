/** What stands where something is not: what happened, and what to do next. */
import { type ReactNode, useEffect } from "react";

import { Refusal } from "../api/client";
import { Icon, type IconName } from "./Icon";

interface Told {
  icon: IconName;
  title: string;
  text: string;
  bad?: boolean;
  /** More, such as a command or a progress bar. */
  children?: ReactNode;
  /** Buttons and links. */
  acts?: ReactNode;
}

export function State({ icon, title, text, bad = false, children, acts }: Told) {
  return (
    <section className={bad ? "state bad" : "state"} role="status">
      <Icon name={icon} />
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
      <div className="acts">{acts}</div>
    </section>
  );
}

export function PageState(told: Told) {
  return (
    <div className="state-page">
      <State {...told} />
    </div>
  );
}

export function isMissing(error: Error | null): boolean {
  return error instanceof Refusal && error.isMissing;
}

export function useDocumentTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "ImageFlow" : `${title} – ImageFlow`;
  }, [title]);
}
