/** Which page an address shows. The map page is small by itself: the others are loaded on request. */
import { Button } from "@mantine/core";
import { Component, type ReactNode, Suspense } from "react";
import { Link, Route, Switch, useLocation } from "wouter";

import { MapPage } from "@/features/map/MapPage";
import { useServerGone } from "@/shared/api/gone";
import { useTexts } from "@/shared/texts";
import { PageState } from "@/shared/ui/State";

import { Bar } from "./Bar";
import { loaded, ScriptGone } from "./loaded";

const HistoryPage = loaded(() => import("@/features/history/HistoryPage"));
const SurveysPage = loaded(() => import("@/features/surveys/SurveysPage"));
const StartPage = loaded(() => import("@/features/surveys/StartPage"));
const SurveyPage = loaded(() => import("@/features/surveys/SurveyPage"));
const TrustPage = loaded(() => import("@/features/trust/TrustPage"));

export function App() {
  const texts = useTexts();
  const [path] = useLocation();
  const full = path === "/" || path === "/maps" || path.startsWith("/maps/");
  return (
    <div className={full ? "app full" : "app"}>
      <a className="skip" href="#content" onClick={skip}>{texts.nav.skip}</a>
      <Bar />
      <Gone />
      <main id="content" tabIndex={-1}>
        <Fence key={full ? "map" : path}>
          {full && <MapPage survey={named(path)} />}
          <Suspense fallback={null}>
            <Switch>
              <Route path="/maps/*?">{null}</Route>
              <Route path="/">{null}</Route>
              <Route path="/history/:game?/:save?">
                {({ game, save }) => <HistoryPage game={game ?? null} save={save ?? null} />}
              </Route>
              <Route path="/surveys"><SurveysPage /></Route>
              <Route path="/surveys/new"><StartPage /></Route>
              <Route path="/surveys/:survey">{({ survey }) => <SurveyPage key={survey} survey={survey} />}</Route>
              <Route path="/surveys/:survey/trust">{({ survey }) => <TrustPage key={survey} survey={survey} />}</Route>
              <Route><NoPage /></Route>
            </Switch>
          </Suspense>
        </Fence>
      </main>
    </div>
  );
}

/** The survey that a map's address names; null for the latest. One page for all, so that the camera stays. */
function named(path: string): string | null {
  const name = path.split("/")[2];
  if (name === undefined || name === "") return null;
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // no text at all, and so no survey
  }
}

function skip(event: { preventDefault: () => void }): void {
  event.preventDefault(); // the map keeps its place after the address's hash
  document.getElementById("content")?.focus();
}

function Gone() {
  const texts = useTexts();
  const gone = useServerGone();
  if (gone === null) return null;
  return <p className="banner" role="alert">{gone.isAskedAgain ? texts.gone(gone.message) : gone.message}</p>;
}

function NoPage() {
  const texts = useTexts();
  return (
    <PageState
      icon="lost" title={texts.missing.pageTitle} text={texts.missing.page}
      acts={<Button component={Link} href="/">{texts.missing.toMap}</Button>}
    />
  );
}

/** A page that broke says so, and the bar leads to the others. */
class Fence extends Component<{ children: ReactNode }, { error: unknown }> {
  override state: { error: unknown } = { error: null };

  static getDerivedStateFromError(error: unknown) {
    return { error };
  }

  override render() {
    return this.state.error === null ? this.props.children : <Crashed error={this.state.error} />;
  }
}

function Crashed({ error }: { error: unknown }) {
  const { missing } = useTexts();
  const isOld = error instanceof ScriptGone;
  return (
    <PageState
      bad={!isOld} icon="warn" title={isOld ? missing.oldTitle : missing.crashTitle}
      text={isOld ? missing.old : missing.crash}
      acts={<Button onClick={() => window.location.reload()}>{missing.reload}</Button>}
    />
  );
}
