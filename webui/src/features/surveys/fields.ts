/** A driver's parameters as the form shows them, read from its JSON Schema. */
import type { Driver } from "@/shared/api/types";

interface Bounds {
  least: number | null;
  most: number | null;
}

interface Common {
  name: string;
  note: string;
}

export type Field = Common &
  (
    | ({ kind: "number"; whole: boolean; usual: string } & Bounds)
    | { kind: "switch"; usual: boolean }
    | { kind: "choice"; choices: readonly string[]; usual: string }
    | { kind: "numbers"; size: number; whole: boolean; usual: string }
    | { kind: "text"; usual: string }
  );

interface Schema {
  $ref?: string;
  type?: string;
  anyOf?: Schema[];
  enum?: unknown[];
  items?: Schema;
  prefixItems?: Schema[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  minItems?: number;
  default?: unknown;
  description?: string;
  properties?: Record<string, Schema>;
  $defs?: Record<string, Schema>;
}

export type Values = Readonly<Record<string, unknown>>;

/**
 * Return the parameters that a request may set, in the schema's order.
 *
 * @param own What the game's file sets: usual is that, and not what the driver would take by itself.
 */
export function fieldsOf(driver: Pick<Driver, "parameters" | "settable">, own: Values = {}): readonly Field[] {
  const root = driver.parameters as Schema;
  return Object.entries(root.properties ?? {})
    .filter(([name]) => driver.settable.includes(name))
    .map(([name, schema]) => fieldOf(name, name in own ? { ...schema, default: own[name] } : schema, root));
}

function fieldOf(name: string, given: Schema, root: Schema): Field {
  const schema = { ...resolve(given, root), ...("default" in given ? { default: given.default } : {}) };
  const common: Common = { name, note: given.description ?? schema.description ?? "" };
  const usual = spell(schema.default);
  if (schema.enum !== undefined) return { ...common, kind: "choice", choices: schema.enum.map(String), usual };
  switch (schema.type) {
    case "boolean":
      return { ...common, kind: "switch", usual: schema.default === true };
    case "integer":
    case "number":
      return {
        ...common, kind: "number", whole: schema.type === "integer", usual,
        least: schema.minimum ?? schema.exclusiveMinimum ?? null, most: schema.maximum ?? null,
      };
    case "array": {
      const items = schema.prefixItems ?? [schema.items ?? {}];
      const size = schema.prefixItems?.length ?? schema.minItems ?? 0;
      return { ...common, kind: "numbers", size, whole: items.every((item) => item.type === "integer"), usual };
    }
    default:
      return { ...common, kind: "text", usual };
  }
}

/** Follow references, and take what may also be null for what it is otherwise. */
function resolve(schema: Schema, root: Schema): Schema {
  if (schema.$ref !== undefined) {
    const target = root.$defs?.[schema.$ref.slice(schema.$ref.lastIndexOf("/") + 1)];
    return target === undefined ? {} : resolve(target, root);
  }
  const other = schema.anyOf?.find((one) => one.type !== "null");
  return other === undefined ? schema : { ...resolve(other, root), default: schema.default };
}

function spell(value: unknown): string {
  if (value === null || value === undefined) return "";
  return Array.isArray(value) ? value.join(", ") : typeof value === "string" ? value : JSON.stringify(value);
}

export type Written = Readonly<Record<string, string | boolean>>;

/** Return what a request should carry: the parameters that were set, as their types; or what is wrong with one. */
export function parametersOf(fields: readonly Field[], written: Written): { values: Record<string, unknown>; faults: readonly string[] } {
  const values: Record<string, unknown> = {};
  const faults: string[] = [];
  for (const field of fields) {
    const text = written[field.name];
    if (text === undefined || text === "") continue;
    const value = valueOf(field, text);
    if (value === undefined) faults.push(field.name);
    else values[field.name] = value;
  }
  return { values, faults };
}

function valueOf(field: Field, text: string | boolean): unknown {
  if (field.kind === "switch") return text;
  if (typeof text !== "string") return undefined;
  if (field.kind === "number") {
    const value = Number(text);
    const fits = (field.least === null || value >= field.least) && (field.most === null || value <= field.most);
    return Number.isFinite(value) && fits && (!field.whole || Number.isInteger(value)) ? value : undefined;
  }
  if (field.kind === "numbers") {
    const parts = text.split(/[\s,×x]+/).filter((part) => part !== "").map(Number);
    const fits = parts.every((part) => Number.isFinite(part) && (!field.whole || Number.isInteger(part)));
    return fits && (field.size === 0 || parts.length === field.size) ? parts : undefined;
  }
  return text;
}

/** `drift_px` as a label: `Drift (px)`. */
export function titleOf(name: string): string {
  const unit = /_(px|s|ms)$/.exec(name)?.[1];
  const words = (unit === undefined ? name : name.slice(0, -unit.length - 1)).replaceAll("_", " ");
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return unit === undefined ? title : `${title} (${unit})`;
}
