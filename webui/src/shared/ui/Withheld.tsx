/** Why a map is whole and not published, and what to do about it. */
import { useTexts } from "../texts";

export function Withheld({ why }: { why: string }) {
  const { withheld: texts } = useTexts();
  return <p className="alert quiet" role="status">{texts.why(why)} {texts.next}</p>;
}
