/** Object detection: data, boxes and metrics. */
export { boxIou, nms, type Box, type BoxArray, type BoxFormat } from "./boxes.js";
export type {
  DetectionAugmentation,
  DetectionBatch,
  DetectionDataset,
  DetectionRecord,
  DetectionSample,
} from "./detection_dataset.js";
export {
  MeanAveragePrecision,
  type DetectedBoxes,
  type MeanAveragePrecisionOptions,
  type MeanAveragePrecisionResult,
  type PrecisionRecallCurve,
  type TrueBoxes,
} from "./mean_average_precision.js";
export type { DetectedClassReport, DetectionReport } from "./detection_report.js";
export type { DetectionSheetOptions } from "./detection_sheet.js";
export { drawDetections, type DrawnBox, type DrawOptions } from "./draw_detections.js";
export * from "./object_detection_data.js";
export type { ObjectDetectorExportOptions } from "./export_object_detector.js";
export { plotPrecisionRecall, type PrecisionRecallPlotOptions } from "./plot_precision_recall.js";
export { ObjectDetector } from "./object_detector.js";
export type { ImportedDetector } from "./imported/find_imported_detector.js";
export type { DetectorBackbone, DetectorHead, ObjectDetectorOptions } from "./object_detector_options.js";
export type { Detection, DetectionOptions } from "./decode_detections.js";
export type { VideoDetectionOptions, VideoDetections } from "./predict_video.js";
