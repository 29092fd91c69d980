/** The list in the column `tags`. */
export function tagsOf(json: string | null): readonly string[] {
  return json === null ? [] : (JSON.parse(json) as string[]);
}
