/** The bar of every page: brand, pages, theme and language. */
import { ActionIcon, Popover, SegmentedControl, useMantineColorScheme } from "@mantine/core";
import { Link, useLocation } from "wouter";

import { useSpoken } from "@/shared/texts";
import { Icon } from "@/shared/ui/Icon";

export function Bar() {
  const { texts } = useSpoken();
  const [path] = useLocation();
  const pages = [
    { to: "/", icon: "map", name: texts.nav.map, here: path === "/" || path.startsWith("/maps") },
    { to: "/history", icon: "clock", name: texts.nav.history, here: path.startsWith("/history") },
    { to: "/surveys", icon: "list", name: texts.nav.surveys, here: path.startsWith("/surveys") },
  ] as const;
  return (
    <header className="bar">
      <Link className="brand" href="/" aria-label="ImageFlow">
        <img src="/static/icon.svg" alt="" width="24" height="24" />
        <span>ImageFlow</span>
      </Link>
      <nav aria-label={texts.nav.label}>
        {pages.map(({ to, icon, name, here }) => (
          <Link key={to} href={to} aria-current={here ? "page" : undefined}>
            <Icon name={icon} size={17} />
            {name}
          </Link>
        ))}
      </nav>
      <Settings />
    </header>
  );
}

function Settings() {
  const { texts, language, speak } = useSpoken();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Popover position="bottom-end" radius="md" shadow="md" withinPortal={false} trapFocus returnFocus>
      <Popover.Target>
        <ActionIcon variant="subtle" color="gray" size={36} aria-label={texts.settings.label}>
          <Icon name="gear" />
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown className="settings" aria-label={texts.settings.label}>
        <div>
          <h3>{texts.settings.theme}</h3>
          <SegmentedControl
            fullWidth size="sm" aria-label={texts.settings.theme} value={colorScheme}
            onChange={(value) => setColorScheme(value)}
            data={[
              { value: "light", label: texts.settings.light },
              { value: "dark", label: texts.settings.dark },
              { value: "auto", label: texts.settings.system },
            ]}
          />
        </div>
        <div>
          <h3>{texts.settings.language}</h3>
          <SegmentedControl
            fullWidth size="sm" aria-label={texts.settings.language} value={language}
            onChange={(value) => speak(value)}
            data={[{ value: "en", label: "English" }, { value: "ja", label: "日本語" }]}
          />
        </div>
      </Popover.Dropdown>
    </Popover>
  );
}
