/** The language of the page: the browser's until another is chosen, which is remembered. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";

import { en, type Texts } from "./en";
import { ja } from "./ja";

const TABLES = { en, ja } satisfies Record<string, Texts>;
export type Language = keyof typeof TABLES;
export type { Texts };

const KEPT = "imageflow-language";

interface Spoken {
  texts: Texts;
  language: Language;
  speak: (language: Language) => void;
}

const Context = createContext<Spoken>({ texts: en, language: "en", speak: () => undefined });

function remembered(): string | null {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null; // a browser that blocks storage throws; the page speaks its language instead
  }
}

function remember(language: Language): void {
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // where storage is blocked or full, the choice holds until the page is left
  }
}

function first(): Language {
  const kept = remembered();
  if (kept === "en" || kept === "ja") return kept;
  return navigator.language.startsWith("ja") ? "ja" : "en";
}

export function TextsProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState(first);
  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);
  const spoken = useMemo(
    () => ({
      texts: TABLES[language],
      language,
      speak: (chosen: Language) => {
        remember(chosen);
        setLanguage(chosen);
      },
    }),
    [language],
  );
  return <Context value={spoken}>{children}</Context>;
}

export const useTexts = (): Texts => useContext(Context).texts;
export const useSpoken = (): Spoken => useContext(Context);
