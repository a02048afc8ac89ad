/** Told once, when a survey is chosen whose places mean something else than those of the one before. */
import { Button } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import type { TileJson } from "@/shared/api/types";
import { inSameFrame } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";

export function OtherFrame({ tilejson }: { tilejson: TileJson }) {
  const { map: texts, close } = useTexts();
  const before = useRef(tilejson);
  const [told, setTold] = useState(false);
  useEffect(() => {
    const [from, to] = [before.current.imageflow, tilejson.imageflow];
    if (from.survey !== to.survey) setTold(from.game === to.game && from.save === to.save && !inSameFrame(from, to));
    before.current = tilejson;
  }, [tilejson]);
  if (!told) return null;
  return (
    <p className="note-bar sheet" role="status">
      <Icon name="warn" size={18} />
      {texts.otherFrame}
      <Button size="compact-sm" variant="default" onClick={() => setTold(false)}>{close}</Button>
    </p>
  );
}
