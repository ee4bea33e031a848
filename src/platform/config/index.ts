export { type Loaded, loadSettings, type Sources, shownValue } from "./load.ts";
export { didYouMean, nearest } from "./nearest.ts";
export { configurationReference } from "./reference.ts";
export {
  flagOf,
  isPostgresUrl,
  isSecret,
  logFormats,
  logLevels,
  otherVariables,
  parsePeers,
  type SettingName,
  type Settings,
  settingNames,
  settingOf,
  variableOf,
} from "./settings.ts";
export { allowed, withoutLogin } from "./value.ts";
