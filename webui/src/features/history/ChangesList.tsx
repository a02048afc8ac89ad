/** Places that differ between two surveys, largest first; one that is chosen is flown to. */
import { Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import L from "leaflet";
import { useEffect } from "react";

import { changesQuery } from "@/shared/api/queries";
import type { ChangedPlace, Changes, Survey } from "@/shared/api/types";
import { boundsOf, type MapView } from "@/shared/map/view";
import { useTexts } from "@/shared/texts";

export function ChangesList({ after, before, view, chosen, onChoose }: {
  after: Survey;
  before: Survey;
  view: MapView | null;
  chosen: ChangedPlace | null;
  onChoose: (place: ChangedPlace) => void;
}) {
  const all = useTexts();
  const texts = all.history;
  const { data, error } = useQuery(changesQuery(after, before));
  useEffect(() => {
    if (view === null || data === undefined) return undefined;
    const drawn = data.places.map((place) =>
      L.rectangle(boundsOf(place.bounds), {
        color: place === chosen ? "#ffd43b" : "#fff", weight: place === chosen ? 3 : 1.5, fill: false, interactive: false,
      }),
    );
    const group = L.layerGroup(drawn).addTo(view.map);
    return () => void group.remove();
  }, [view, data, chosen]);
  return (
    <section aria-labelledby="changes-title">
      <h2 id="changes-title">{texts.changes}</h2>
      {error !== null && <p className="small soft" role="status">{error.message}</p>}
      {error === null && data === undefined && <p className="small soft"><Loader size="xs" /> {texts.comparing}</p>}
      {data !== undefined && <Summary changes={data} />}
      {data !== undefined && data.places.length > 0 && (
        <>
          <ol className="places numbers">
            {data.places.map((place, number) => (
              <li key={`${place.bounds.x_px},${place.bounds.y_px}`}>
                <button type="button" aria-current={place === chosen ? "true" : undefined} onClick={() => onChoose(place)}>
                  <b>{number + 1}</b>
                  <span>{texts.place(place.bounds.x_px, place.bounds.y_px)}</span>
                  <span className="soft">{texts.placeSize(place.bounds.width_px, place.bounds.height_px)}</span>
                </button>
              </li>
            ))}
          </ol>
          {data.places_in_all > data.places.length && (
            <p className="small soft">{texts.more(data.places_in_all - data.places.length)}</p>
          )}
        </>
      )}
    </section>
  );
}

function Summary({ changes }: { changes: Changes }) {
  const { history: texts } = useTexts();
  const { exact, changed_tiles: changed, only_in_since_tiles: onlyBefore, only_in_survey_tiles: onlyAfter } = changes;
  const areAlike = changed === 0;
  return (
    <>
      {areAlike && <p className="small soft">{onlyBefore + onlyAfter === 0 ? texts.noChange : texts.noChangeWhereBoth}</p>}
      {!areAlike && (
        <p className="small soft numbers">
          {texts.summary(changed, changes.compared_tiles)}
          {changes.places.length > 0 && ` · ${texts.exact(changes.changed_px)}`}
        </p>
      )}
      {!exact && <p className="small soft">{changes.places.length > 0 ? texts.coarse : texts.noneFound}</p>}
      {onlyBefore > 0 && <p className="small soft numbers">{texts.onlyBefore(onlyBefore)}</p>}
      {onlyAfter > 0 && <p className="small soft numbers">{texts.onlyAfter(onlyAfter)}</p>}
    </>
  );
}
