/** A command to be run elsewhere. */
export function Command({ text }: { text: string }) {
  return <pre className="command" tabIndex={0}>{text}</pre>;
}
