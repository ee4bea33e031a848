import type { Position } from "./types.ts";

/** IUGG's mean radius of the earth, in kilometres. */
const earthRadiusKm = 6371.0088;

/** Kilometres along the great circle between two positions (haversine; the earth as a sphere: off by 0.6 % at most). */
export function distanceKm(a: Position, b: Position): number {
  const alongLatitude = haversine(radians(b.lat - a.lat));
  const alongLongitude = haversine(radians(b.lon - a.lon));
  const chord = alongLatitude + Math.cos(radians(a.lat)) * Math.cos(radians(b.lat)) * alongLongitude;
  return 2 * earthRadiusKm * Math.asin(Math.sqrt(Math.min(1, chord)));
}

function haversine(angle: number): number {
  return Math.sin(angle / 2) ** 2;
}

function radians(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
