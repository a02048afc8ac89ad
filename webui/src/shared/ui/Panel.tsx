/** A floating panel: a title, a way out by button and by Escape, and what it holds. */
import { ActionIcon } from "@mantine/core";
import { type ReactNode, useEffect, useId, useRef } from "react";

import { useTexts } from "../texts";
import { Icon } from "./Icon";

export function Panel({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const texts = useTexts();
  const heading = useId();
  const section = useRef<HTMLElement>(null);
  useEffect(() => {
    // a field of the panel's own may have taken the focus already
    if (section.current?.contains(document.activeElement) === false) section.current.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    const leave = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing && !event.defaultPrevented) onClose();
    };
    window.addEventListener("keydown", leave);
    return () => window.removeEventListener("keydown", leave);
  }, [onClose]);
  return (
    <section ref={section} className="panel sheet" tabIndex={-1} aria-labelledby={heading}>
      <header>
        <h2 id={heading}>{title}</h2>
        <ActionIcon variant="subtle" color="gray" onClick={onClose} aria-label={texts.close}>
          <Icon name="close" size={18} />
        </ActionIcon>
      </header>
      <div className="body">{children}</div>
    </section>
  );
}
