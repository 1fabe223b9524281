/** What the service says, as `/v1` gives it. */

export interface Place {
  valence: number;
  arousal: number;
}

export interface Service {
  version: string;
  api: string;
  emotions: string[];
  colours: Record<string, string>;
  /** Where psychology places each emotion, each from -1 to 1. */
  places: Record<string, Place>;
  limits: {
    max_upload_bytes: number;
    max_clip_s: number;
    max_recording_s: number;
    [name: string]: number | null;
  };
  retention: { results_days: number | null; keeps_audio_by_default: boolean };
  auth: { required: boolean; scopes: string[] };
  export_formats: string[];
  responsible_use: string;
}

export interface Model {
  name: string;
  model: string;
  emotions: string[];
  default: boolean;
  /** The confidence below which an answer had better be called uncertain. */
  uncertain_below: number | null;
}

/** Scores by emotion, each from 0 to 1. */
export type Scores = Record<string, number>;

export interface Prediction {
  file: string | null;
  emotion: string;
  confidence: number;
  scores: Scores;
  duration_s: number;
  model: string;
}

export interface Problem {
  code: string;
  message: string;
  remedy: string | null;
}

export type State = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Peak {
  emotion: string;
  time: number;
  confidence: number;
  channel?: number | null;
}

export interface Summary {
  duration_s: number;
  speech_s: number;
  shares: Scores;
  changes_per_minute: number;
  valence: number | null;
  arousal: number | null;
  peaks: Peak[];
}

export interface Analysis {
  id: string;
  name: string;
  notes: string;
  state: State;
  progress: number | null;
  heard_s: number;
  duration_s: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  expires_at: string | null;
  model: string;
  options: Record<string, unknown>;
  has_audio: boolean;
  error: Problem | null;
  /** What is wrong with a recording that was heard all the same. */
  warnings: string[];
  /** With what people said in place of the model's answers. */
  summary: Summary | null;
  model_summary: Summary | null;
  /** Segments that people called something else than the model did. */
  corrected: number;
}

export type Kind = "speech" | "silence" | "non-speech";

/** A stretch of sound; `label` is a person's correction of `emotion`. */
export interface Segment {
  index: number;
  start: number;
  end: number;
  kind: Kind;
  channel?: number;
  speaker?: string;
  emotion?: string;
  confidence?: number;
  valence?: number;
  arousal?: number;
  scores?: Scores;
  label: string | null;
  label_note?: string | null;
  labelled_at?: string | null;
}

export interface Measurement {
  start: number;
  end: number;
  channel?: number;
  scores: Scores;
}

export interface Timeline {
  duration_s: number;
  model: string;
  emotions: string[];
  settings: Record<string, unknown>;
  summary: Summary;
  segments: Segment[];
  measurements: Measurement[];
}

export interface AnalysisWithTimeline extends Analysis {
  timeline: Timeline | null;
}

export interface Listing<Item> {
  items: Item[];
  next: string | null;
  total: number;
}
