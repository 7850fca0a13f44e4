package admin

import (
	"encoding/json"
	"net/http"
	"strconv"

	"nbdbridge/bridge"
)

// An entry is one session in the list.
type entry struct {
	bridge.SessionInfo
	Age float64 `json:"age"` // seconds
}

func (h *Handler) list(w http.ResponseWriter, _ *http.Request) {
	entries := []entry{} // an empty list is one too
	for _, s := range h.Bridge.Sessions() {
		entries = append(entries, entry{s, s.Age.Seconds()})
	}
	w.Header().Set("Content-Type", "application/json")
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	_ = out.Encode(entries) // only a client that is gone fails it
}

func (h *Handler) end(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil || !h.Bridge.EndSession(id) {
		http.Error(w, "There is no session of this ID: it may have ended. GET /sessions lists those under way.", http.StatusNotFound)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
