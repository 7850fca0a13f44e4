// The client's Worker, with marks.
import "./marks.js";
import "/client/worker.js";
