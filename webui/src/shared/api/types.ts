/** The gateway's words under short names. `schema.d.ts` is generated from its OpenAPI: `make types`. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Survey = Schemas["SurveySummary"];
export type SurveyDetail = Schemas["SurveyDetail"];
export type SurveyList = Schemas["SurveyList"];
export type SurveyState = Survey["state"];
export type Save = Schemas["SaveFacts"];
export type TileJson = Schemas["TileJson"];
export type MapFacts = TileJson["imageflow"];
export type Rect = Schemas["Rect"];
export type Areas = Schemas["AreaColumns"];
export type BlockList = Schemas["BlockList"];
export type PlacedBlock = Schemas["PlacedBlockState"];
export type Block = Schemas["BlockState"];
export type Stage = Schemas["StageState"];
export type Progress = Schemas["ProgressEvent"];
export type Trouble = Schemas["TroubleEvent"];
export type Layer = Stage["layer"];
export type Stand = Stage["state"];
export type Job = Schemas["JobProgress"];
export type JobBegun = Schemas["JobBegun"];
export type JobRequest = Schemas["JobRequest"];
export type Game = Schemas["GameSummary"];
export type Driver = Schemas["DriverFacts"];
export type Marker = Schemas["MarkerOut"];
export type MarkerIn = Schemas["MarkerIn"];
export type MarkerChange = Schemas["MarkerChange"];
export type Colour = Marker["colour"];
export type Lineage = Schemas["LineageFacts"];
export type Shot = Schemas["ShotFacts"];
export type Changes = Schemas["ChangeList"];
export type ChangedPlace = Schemas["ChangedPlace"];
export type Trust = Schemas["TrustFacts"];
export type WorstShot = Schemas["WorstShot"];
export type Bin = Schemas["Bin"];
