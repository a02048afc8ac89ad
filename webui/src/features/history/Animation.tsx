/** A moving picture of what the map shows, over all surveys of the save. */
import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";

import { part, query, refusal } from "@/shared/api/client";
import type { Survey } from "@/shared/api/types";
import type { MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";

type Kind = "gif" | "webp";

export function Animation({ survey, view }: { survey: Survey; view: MapView | null }) {
  const { history: texts } = useTexts();
  const made = useMutation({
    mutationFn: async (kind: Kind) => {
      const response = await fetch(addressOf(survey, view as MapView, kind));
      if (!response.ok) throw await refusal(response, "GET");
      return { kind, picture: await asData(await response.blob()) };
    },
  });
  return (
    <section aria-labelledby="animation-title">
      <h2 id="animation-title">{texts.animation}</h2>
      <p className="small soft">{texts.animationNote}</p>
      <div className="acts" style={{ marginTop: 8 }}>
        {(["gif", "webp"] as const).map((kind) => (
          <Button
            key={kind} variant="default" size="xs" disabled={view === null || made.isPending}
            loading={made.isPending && made.variables === kind} onClick={() => made.mutate(kind)}
          >
            {kind === "gif" ? texts.makeGif : texts.makeWebp}
          </Button>
        ))}
        {made.data && (
          <Button
            component="a" size="xs" variant="light" href={made.data.picture}
            download={`${survey.game}-${survey.save}.${made.data.kind}`}
          >
            {texts.download}
          </Button>
        )}
      </div>
      {made.error !== null && <p className="small fault" role="alert">{made.error.message}</p>}
      {made.data && <img className="moving" src={made.data.picture} alt={texts.animation} />}
    </section>
  );
}

/** The region that the screen shows, as far as the map goes. */
function addressOf({ game, save }: Survey, view: MapView, kind: Kind): string {
  const { left, top, right, bottom } = view.seen;
  const { bounds } = view.facts;
  const x = Math.max(Math.floor(left), bounds.x_px);
  const y = Math.max(Math.floor(top), bounds.y_px);
  const width = Math.max(1, Math.min(Math.ceil(right), bounds.x_px + bounds.width_px) - x);
  const height = Math.max(1, Math.min(Math.ceil(bottom), bounds.y_px + bounds.height_px) - y);
  return `/api/v1/saves/${part(game)}/${part(save)}/animation.${kind}${query({ x, y, width, height, max_side: 640, frame_ms: 800 })}`;
}

/** The content security policy knows data addresses, and no others that a script makes. */
function asData(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Error(reader.error?.message));
    reader.readAsDataURL(blob);
  });
}
