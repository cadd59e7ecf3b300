// Renders markdown documents (documents.json, an array) into rendered.json, as react-markdown with GFM and raw HTML does.
import { readFileSync, writeFileSync } from "node:fs";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import Markdown from "react-markdown";
import rehypeRaw from "rehype-raw";
import remarkGfm from "remark-gfm";

const plugins = { remarkPlugins: [remarkGfm], rehypePlugins: [rehypeRaw] };
const render = (text) => renderToStaticMarkup(createElement(Markdown, plugins, text));
writeFileSync("rendered.json", JSON.stringify(JSON.parse(readFileSync("documents.json", "utf8")).map(render)));
