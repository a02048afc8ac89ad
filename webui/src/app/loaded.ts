/** Pages that are loaded on request. */
import { type ComponentType, lazy } from "react";

/** The script of a page cannot be loaded: the server was updated meanwhile and has another one, or is away. */
export class ScriptGone extends Error {}

/** Return a page that loads its script when it is first shown, and fails with `ScriptGone` where there is none. */
export function loaded<Props>(load: () => Promise<{ default: ComponentType<Props> }>) {
  return lazy(() => load().catch((error: unknown) => {
    throw new ScriptGone("the script of a page cannot be loaded", { cause: error });
  }));
}
