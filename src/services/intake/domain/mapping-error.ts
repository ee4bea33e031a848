/** The mapping can't be used, alone or with this file: where in it, as `rules[2].fact.type`, and what is wrong. */
export class MappingError extends Error {
  readonly path: string;
  readonly problem: string;

  constructor(path: string, problem: string) {
    super(path === "" ? problem : `${path}: ${problem}`);
    this.name = "MappingError";
    this.path = path;
    this.problem = problem;
  }
}
