/** How many of the shown tiles cannot be read, as text; nothing while all can. */
import { Icon } from "../ui/Icon";

export function BrokenTiles({ count, words }: { count: number; words: (count: number) => string }) {
  if (count === 0) return null;
  return (
    <p className="note-bar sheet" role="status">
      <Icon name="warn" size={18} />
      {words(count)}
    </p>
  );
}
