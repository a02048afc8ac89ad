import "@mantine/core/styles.css";
import "@/shared/ui/theme.css";
import "@/shared/ui/ui.css";
import "@/app/app.css";

import { createTheme, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "@/app/App";
import { makeQueryClient } from "@/shared/api/gone";
import { TextsProvider } from "@/shared/texts";

const theme = createTheme({ primaryColor: "teal", defaultRadius: "md", cursorType: "pointer" });
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

// The content security policy takes only style elements that carry the page's nonce.
const nonce = document.querySelector<HTMLMetaElement>("meta[name=csp-nonce]")?.content ?? "";

createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} getStyleNonce={() => nonce}>
      <QueryClientProvider client={makeQueryClient()}>
        <TextsProvider>
          <App />
        </TextsProvider>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
