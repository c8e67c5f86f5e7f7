// Validates objects (a JSON array on standard input) and prints what is wrong (a JSON array of texts): Kubernetes' own kinds by
// kubernetes-models, other kinds by schemas/KIND.json. The models let unknown fields pass, as JSON Schema does by itself; a
// misspelt field is the likelier fault, so each field is looked up in the models' declarations too.
import Ajv from "ajv";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const ajv = new Ajv({ allErrors: true });
const declarations = new Map();

// {field: declaration file of its type, or null} of the one interface that a .d.ts file exports.
function fieldsOf(file) {
  if (declarations.has(file)) return declarations.get(file);
  const text = readFileSync(file, "utf8");
  const files = new Map();
  for (const [, name, from] of text.matchAll(/^import \{ (\w+) \} from "(.*)";$/gm)) {
    const path = from.startsWith(".") ? resolve(dirname(file), from).replace(/\.js$/, "") : join(modules, from);
    files.set(name, `${path}.d.ts`);
  }
  const body = text.match(/^export interface \w+[^{]*\{\n([^]*?)^\}/m);
  const fields = body ? new Map() : null; // a type without fields of its own, such as a quantity
  for (const [, name, type] of body?.[1].matchAll(/^ {4}"(.+?)"\??: ([^]*?);$/gm) ?? []) {
    const model = type.startsWith("{") ? null : type.match(/II\w+/)?.[0];
    fields.set(name, files.get(model) ?? null);
  }
  declarations.set(file, fields);
  return fields;
}

function unknownFields(value, file, path) {
  if (Array.isArray(value)) return value.flatMap((each, i) => unknownFields(each, file, `${path}[${i}]`));
  const fields = value && typeof value === "object" && file && existsSync(file) ? fieldsOf(file) : null;
  if (!fields) return [];
  return Object.entries(value).flatMap(([name, each]) =>
    fields.has(name) ? unknownFields(each, fields.get(name), `${path}.${name}`) : [`${path}.${name}: no such field`]);
}

async function validate(object) {
  const { apiVersion, kind } = object;
  const title = `${kind}/${object.metadata?.name}`;
  const own = join(here, "schemas", `${kind}.json`);
  if (existsSync(own)) {
    const check = ajv.compile(JSON.parse(readFileSync(own, "utf8")));
    return check(object) ? [] : check.errors.map((e) => `${title}${e.instancePath}: ${e.message} ${JSON.stringify(e.params)}`);
  }
  const model = `${apiVersion}/${kind}`;
  if (!existsSync(join(modules, "kubernetes-models", `${model}.js`))) return [`${title}: no schema for ${model}`];
  const faults = unknownFields(object, join(modules, "kubernetes-models", `${model}.d.ts`), title);
  try {
    const made = await import(`kubernetes-models/${model}`);
    new made[kind](object).validate();
  } catch (error) {
    faults.push(`${title}: ${error.message}`);
  }
  return faults;
}

const objects = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify((await Promise.all(objects.map(validate))).flat()));
