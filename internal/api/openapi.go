package api

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strings"
)

// openAPI describes the API, and is where its routes come from: what it doesn't have is not served.
//
//go:embed openapi.json
var openAPI []byte

// operations are the handlers of openAPI's operations, by their operationId.
func (s *Server) operations() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"view": s.view, "stream": s.stream, "queues": s.queues, "history": s.history, "slow": s.slow, "metrics": s.metrics, "healthz": s.healthz,
		"openapi": describe,
	}
}

// handleOperations adds the routes of openAPI to mux.
func (s *Server) handleOperations(mux *http.ServeMux) {
	var document struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(openAPI, &document); err != nil {
		panic(err) // it is part of the program
	}
	handlers := s.operations()
	for path, methods := range document.Paths {
		for method, operation := range methods {
			mux.HandleFunc(strings.ToUpper(method)+" "+path, handlers[operation.OperationID])
		}
	}
}

func describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "private, no-cache")
	_, _ = w.Write(openAPI)
}
