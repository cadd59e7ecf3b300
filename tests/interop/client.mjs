// Calls a CDS service as an EHR on Medplum does: discovery, prefetch from its FHIR server, the call.
// Reads {fhir, service, hook, user, context, extension} from its input; writes {services, request, response}.
import "./websocket.mjs";
import { buildCdsRequest, MedplumClient } from "@medplum/core";
import { readFileSync } from "node:fs";

const wish = JSON.parse(readFileSync(0, "utf8"));
const places = { baseUrl: wish.fhir, fhirUrlPath: "", cdsServicesUrl: `${wish.service}/cds-services` };
const medplum = new MedplumClient(places);
const { services } = await medplum.getCdsServices();
const user = await medplum.readReference({ reference: wish.user });
const service = services.find((one) => one.hook === wish.hook);
const request = await buildCdsRequest(medplum, user, service, wish.context);
const response = await medplum.callCdsService(service.id, { ...request, extension: wish.extension });
console.log(JSON.stringify({ services, request, response }));
